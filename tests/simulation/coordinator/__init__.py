"""The coordinator in virtual time: its real state, reports and supervision, and processes at play.

Workers die, hang, wake up again, hang up, talk nonsense, never begin to serve and report late;
connections come in storms; the coordinator itself is stopped for an hour. After each step the
invariants are held against a model that knows of each process and connection what became of it.
The model shares no rule with the product: what it allows is written down here once more.
"""
