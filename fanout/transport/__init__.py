"""Endpoints and sockets: `tcp://` and `ipc://`."""
