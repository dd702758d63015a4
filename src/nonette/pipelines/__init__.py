"""One file a system, one straight story each; what they share starts with an underscore."""
