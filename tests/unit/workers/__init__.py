"""Tests of the pure parts of a worker."""
