"""Text: one spelling, ids for the networks, and words a model never saw. Never torch."""
