"""The room for prompt policy and picture checks; torch-free but for the pictures."""
