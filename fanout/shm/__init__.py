"""The shared memory of one publisher: layout, segment, log, slots and doorbells."""
