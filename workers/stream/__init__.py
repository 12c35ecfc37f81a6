"""Who is sent what. Pure: no socket, no clock, no channel."""
