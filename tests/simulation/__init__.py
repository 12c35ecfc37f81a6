"""A deterministic simulation: real log, real pump, real worker turns; fake sockets, clock and peers.

One thread, virtual time, one seed for each run. `python -m tests.simulation --seed N` replays one.
"""
