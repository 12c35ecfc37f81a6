"""Questions about a publisher, asked over ZeroMQ, and their answers: its ROUTER side."""
