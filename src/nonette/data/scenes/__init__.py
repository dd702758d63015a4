"""The scene world: illustrated scenes with captions and exact ground truth, without end."""
