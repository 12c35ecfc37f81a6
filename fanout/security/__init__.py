"""What mechanisms need besides the protocol: the primitives, and how they are made for a worker."""
