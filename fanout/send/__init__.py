"""From a call to the commit; runs in the calling thread."""
