"""Small tools that know nothing of publishing: of the system, a process, a thread, a record."""
