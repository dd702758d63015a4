"""Readers of other people's weight files: they build tensors and nothing else, and run nothing."""
