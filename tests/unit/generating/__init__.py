"""Tests of what writes source files that follow from others."""
