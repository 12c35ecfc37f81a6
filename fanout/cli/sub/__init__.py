"""`fanout sub`: prints what arrives."""
