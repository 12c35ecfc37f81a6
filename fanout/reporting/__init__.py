"""How events reach who wants them: the queue, the iterators, the call on a loop."""
