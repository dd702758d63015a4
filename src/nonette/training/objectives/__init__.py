"""One file for what one kind of network is taught: its batches, losses and sample sheets."""
