"""What `Publisher` and `Producer` are made of, blocking and awaited."""
