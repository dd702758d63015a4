"""The command line: one file a verb, and `main.py`, which knows them all by name only."""
