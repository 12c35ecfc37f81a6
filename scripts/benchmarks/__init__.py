"""Benchmarks of fanout against its peers: `scripts/bench` runs them.

Three kinds of process: the harness (`runner`, `session`), one publisher under test (`host`, with an
adapter from `peers`), and one process that holds every subscriber (`receiver`). They speak JSON
lines over socket pairs (`channel`). A workload is one file in `workloads`.
"""
