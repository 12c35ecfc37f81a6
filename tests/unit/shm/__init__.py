"""Tests of fanout.shm."""
