"""A picture of `fanout top` for the documentation, from a real run."""
