"""A deterministic simulation: real log, real pump, real turns of workers; fake sockets and time.

One thread, virtual time, one seed for each run. `python -m tests.simulation --seed N` replays one.
`coordinator.py` is the other one: the coordinator, with workers that come and go.
"""
