"""Takeovers in one thread: real workers, the real part of the coordinator, and kills at any time.

`kernel.py`, one floor up, is the kernel that counts the bytes; `fate.py` says when a worker dies,
`machine.py` what it can do until then, `subscriber.py` what must come of it. `world.py` is all of
it together: `python -m tests.simulation --takeovers --seed N` replays a seed.
"""
