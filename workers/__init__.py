"""One worker process of a fanout publisher. Private: users import `fanout`."""
