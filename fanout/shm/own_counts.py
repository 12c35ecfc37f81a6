"""Own counts: bytes that the kernel does not count, as workers write them down.

Of a Unix socket the kernel says neither how many bytes it has taken nor how many were read from it.
So a worker stores whom it is about to send to, and how many bytes that one was handed before; and
after the send how many it was handed then. Who is lost between these two leaves a single connection
of which nobody knows how far it has come: a worker is in one `send` at a time. Of all others the
count is right.

Both are the same kind of number, of the slot and of the bytes together, which is seen whole in one
word: they are equal as long as the send is not over. So what was stored before it is not taken back
after it, and there are two stores and one addition for each send.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from fanout.shm import layout as at

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.shm.stream_record import StreamSlot
    from fanout.shm.worker_slot import WorkerSlot

    Send: TypeAlias = Callable[[bytes | memoryview], int]

_BYTES_EACH = 1 << 43  # 8 TiB; slots are told apart unless two connections are just that far apart


def counted(send: Send, worker: WorkerSlot, stream: StreamSlot) -> Send:
    """The same `send`, of which another worker can tell how much it has taken.

    Args:
        send: of a Unix socket; raises BlockingIOError or another OSError if it takes nothing.
        worker: the slot of the worker that sends.
        stream: that of the subscriber, with what it was handed up to now.
    """
    words, counts = worker.words, stream.words
    sending, to = at.W_SENDING, at.S_HANDED
    count_is: int = counts[to] or _nothing_of(stream)
    counts[to] = count_is

    def send_and_count(data: bytes | memoryview) -> int:
        nonlocal count_is
        words[sending] = count_is
        try:
            count = send(data)
        except OSError:
            words[sending] = 0  # nothing was sent: if this worker dies now, no count is in doubt
            raise
        count_is += count
        counts[to] = count_is
        if not count:
            words[sending] = 0
        return count

    return send_and_count


def handed(stream: StreamSlot) -> int | None:
    """Bytes that this subscriber was handed; None = its end has begun."""
    word: int = stream.words[at.S_HANDED]
    if word == at.UNCOUNTED:
        return None
    return word - _nothing_of(stream) if word else 0


def may_have_sent(sending: int, stream: StreamSlot) -> bool:
    """Whether a lost worker may have sent something to this one of its subscribers, uncounted.

    Args:
        sending: what its slot says.
    """
    return sending != 0 and sending == stream.words[at.S_HANDED]


def _nothing_of(stream: StreamSlot) -> int:
    return (stream.index + 1) * _BYTES_EACH
