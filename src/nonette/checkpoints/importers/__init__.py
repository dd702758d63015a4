"""Readers of published weights: one file a source, and the only rooms that know foreign names."""
