"""All who are sent much are with one worker, and are spread; then all is still."""
