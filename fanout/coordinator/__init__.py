"""The background thread of a publisher: accepts, assigns, supervises."""
