"""`fanout top`: what a publisher and its subscribers do, out of shared memory."""
