"""What happens to a subscriber that is behind. Pure."""
