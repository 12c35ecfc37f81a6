"""Tests of fanout.observe."""
