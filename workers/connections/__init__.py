"""The sockets of a worker, and what their peers say."""
