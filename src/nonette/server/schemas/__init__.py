"""What goes in and comes out of the API as JSON, one file a dialect."""
