"""What a peer may take of a worker by what it says: the numbers that both sides count by. Pure.

A worker keeps the budget of each connection (`workers/connections/budgets.py`). What is missing of
it at the end of one that was over it, is a debt of its address, which the coordinator keeps
(`coordinator/addresses.py`).
"""

from __future__ import annotations

_MS = 1_000_000  # ns

# Saved up at most, and at the beginning: the longest list, of any topics.
PEER_BURST_NS = 2_000 * _MS
# Of that, for what is no change of its subscriptions: PINGs, and what is ignored. Nobody has much
# of that to say at once: 10 ms are more than 1,000 PINGs, of ten seconds if one comes each 10 ms.
TALK_BURST_NS = 10 * _MS
PEER_PART = 100  # it may take 1/100 of a worker all the time: some 140 changes a second

# With so much every connection begins, whatever its address owes: a handshake and a short list. Who
# has come from the same address by chance does not feel a debt, and who made it gets no more by
# coming again than a new connection costs anyway.
ALWAYS_NS = 5 * _MS
DEBT_MAX_NS = PEER_BURST_NS - ALWAYS_NS  # that one connection begins with
# Kept for one address: 100 connections that went over their budgets, and left. It pays as fast as
# these would have, so all of it is paid in 200 s.
ADDRESS_DEBT_MAX_NS = 100 * PEER_BURST_NS
