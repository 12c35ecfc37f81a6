"""Subscribers of fanout's own that lose everything but their position, again and again."""
