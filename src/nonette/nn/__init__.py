"""What networks and pipelines share: blocks at their third use; device, number type, threads."""
