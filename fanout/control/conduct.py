"""Control messages about what subscribers do; see `messages.py`."""

from __future__ import annotations

from typing import ClassVar, TypeAlias

from fanout.basics.records import record


@record
class Throttled:
    """From a worker: what this subscriber says takes so much that it is left unread for a while."""

    code: ClassVar[int] = 11
    subscriber: int


@record
class ReadsOn:
    """From a worker: this subscriber has ended its side of the connection, and is served on.

    It comes again when another worker has gone on with it.
    """

    code: ClassVar[int] = 24
    subscriber: int


OfConduct: TypeAlias = Throttled | ReadsOn
