"""One running publisher, whichever face it has, and what users have done about it."""
