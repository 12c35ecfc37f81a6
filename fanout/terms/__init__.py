"""What users, subscribers and strangers may say: arguments, policies, topics, limits. Pure."""
