"""An attempt: what can be appended to the log again and again, if there is no room yet.

How to wait for room is the caller's business: a thread blocks, a task awaits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from fanout.shm.log import NO_SPACE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fanout.send.path import SendPath
    from fanout.send.topics import Topic
    from fanout.send.wire import Coded, Collected, Encoder, Wire
    from fanout.shm.log import Buffer


class Attempt(Protocol):
    """A message or a batch that is ready to be appended; never changed."""

    @property
    def size(self) -> int:
        """Bytes on the wire, for which room is needed."""

    @property
    def count(self) -> int:
        """Messages, for which room in the index is needed."""

    def append(self) -> int:
        """Try once; returns the sequence of the (first) message, or NO_SPACE."""


@dataclass(slots=True)  # not frozen: that would cost each message half a microsecond
class Prepared:
    """One that is put together of its parts."""

    append: Callable[[], int]
    size: int
    count: int


def attempt_message(path: SendPath, wire: Wire, topic: Topic) -> Attempt:
    """To append one message."""
    if isinstance(wire, bytes):
        return Prepared(lambda: path.append(wire, topic), len(wire), 1)
    return Prepared(lambda: path.append_parts(wire, topic), sum(map(len, wire)), 1)


def attempt_batch(path: SendPath, wires: Sequence[bytes], topics: Sequence[Topic]) -> Attempt:
    """To append all of them at once, or none."""
    return Prepared(lambda: path.append_batch(wires, topics), sum(map(len, wires)), len(wires))


def attempt_pairs(path: SendPath, encoder: Encoder, messages: Collected) -> Attempt:
    """As `attempt_batch`, for messages that a batch has collected.

    Args:
        messages: what has come of `SendPath.collect`.

    Raises:
        ConfigError: a topic is a reserved one.
    """
    if isinstance(messages, list):
        return attempt_batch(path, *encoder.many(messages[::2], messages[1::2]))
    coded: Coded = messages  # type: ignore[assignment]  # or it would be a list
    if coded.young is not path.topics.young:  # some may have left it since they were added
        return attempt_batch(path, *encoder.many(coded.bodies, coded.topics))
    return coded


def attempt_joined(
    path: SendPath, data: Buffer, ends: Sequence[int], topics: Sequence[Topic]
) -> Attempt:
    """As `attempt_batch`, for messages that are back to back already; see `LogWriter`."""
    return Prepared(lambda: path.append_joined(data, ends, topics), len(data), len(ends))


__all__ = [
    "NO_SPACE",
    "Attempt",
    "Prepared",
    "attempt_batch",
    "attempt_joined",
    "attempt_message",
    "attempt_pairs",
]
