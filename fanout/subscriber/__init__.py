"""The subscribing side of a connection."""
