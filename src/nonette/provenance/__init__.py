"""Picture files that say what they are: metadata written, read back, and later signed."""
