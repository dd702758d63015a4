"""The server: an API over a durable queue. Workers draw; nothing here knows how. Never torch."""
