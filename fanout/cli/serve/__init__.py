"""`fanout serve`: publishes what comes on standard input."""
