"""Tests of the benchmarks: what is counted, and when a run does not count."""
