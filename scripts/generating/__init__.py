"""Writes source files of fanout that follow from others."""
