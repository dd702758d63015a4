"""Checkpoint folders, the store they lie in, and readers of foreign weights."""
