"""Own counts: bytes that the kernel does not count, as workers write them down.

Of a Unix socket the kernel says neither how many bytes it has taken nor how many were read from it.
So a worker stores whom it is about to send to, and how many bytes that one was handed before; and
after the send how many it was handed then. Who is lost between these two leaves a single connection
of which nobody knows how far it has come: a worker is in one `send` at a time. Of all others the
count is right. What is stored for whom it was is not taken back: by the count of that connection it
can be told whether the send was over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from fanout.shm import layout as at
from fanout.shm.layout import UNCOUNTED as UNCOUNTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.shm.stream_record import StreamSlot
    from fanout.shm.worker_slot import WorkerSlot

    Send: TypeAlias = Callable[[bytes | memoryview], int]

# Both are in one word, which is seen whole: the lower half of the subscriber's number, then that of
# the count. No two connections of a worker are so far apart, and no single send takes so much.
_HALF = 32  # bits
_LOWER = (1 << _HALF) - 1


def counted(send: Send, worker: WorkerSlot, stream: StreamSlot, subscriber: int) -> Send:
    """The same `send`, of which another worker can tell how much it has taken.

    Args:
        send: of a Unix socket; raises BlockingIOError or another OSError if it takes nothing.
        worker: the slot of the worker that sends.
        stream: that of the subscriber, with what it was handed up to now.
    """
    words, counts, which = worker.words, stream.words, (subscriber & _LOWER) << _HALF
    handed: int = counts[at.S_HANDED]
    sending, to = at.W_SENDING, at.S_HANDED
    lower = _LOWER

    def send_and_count(data: bytes | memoryview) -> int:
        nonlocal handed
        words[sending] = which | handed & lower
        try:
            count = send(data)
        except OSError:
            words[sending] = 0  # it has taken nothing, and that is known
            raise
        handed += count
        counts[to] = handed
        if not count:
            words[sending] = 0
        return count

    return send_and_count


def may_have_sent(sending: int, subscriber: int, stream: StreamSlot) -> bool:
    """Whether a lost worker may have sent something to this one of its subscribers, uncounted.

    Args:
        sending: what its slot says.
    """
    return sending == (subscriber & _LOWER) << _HALF | stream.handed & _LOWER
