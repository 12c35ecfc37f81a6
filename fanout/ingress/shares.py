"""How much is read of a producer at a time: what takes as long for each of them. Pure.

What a byte costs differs by a factor of a hundred: of large messages it is copied, of tiny ones
with commands in between each is looked at by Python. The interpreter is held meanwhile, and nobody
publishes beside it. So what is bounded is the time, by what the read before has taken.
"""

from __future__ import annotations

FIRST_BYTES = 32 * 1024
LEAST_BYTES = 4 * 1024  # with less the system call would cost more than what it brings
MOST_BYTES = 256 * 1024  # more saves no time any more, and does not stay in the processor's cache
TURN_NS = 100_000  # CPU time of the thread; a call that publishes is to wait no longer than that
GROWTH = 2  # at most, from one read to the next


def next_share(share: int, got: int, took_ns: int) -> int:
    """How much is read next time of a producer.

    Args:
        share: bytes that were to be read, LEAST_BYTES to MOST_BYTES.
        got: bytes that came, 1 to `share`.
        took_ns: CPU time that these have taken, but for the system call that brought them.
    """
    if got < share and took_ns <= TURN_NS:
        return share  # the producer had no more: that says nothing of how long a full read takes
    wanted = got * TURN_NS // max(took_ns, 1)
    return max(LEAST_BYTES, min(wanted, share * GROWTH, MOST_BYTES))
