"""Messages by which a worker goes on with connections of another one; see `messages.py`.

That one was lost, or gives them up.
"""

from __future__ import annotations

from typing import ClassVar, TypeAlias

from fanout.basics.records import record

NO_BOXES: list[bytes] = []  # nobody changes a message


@record
class Wants:
    """To a worker, before the `Resume`: a change of what that subscriber wants.

    The first is for all that it wanted before the others.
    """

    code: ClassVar[int] = 16
    subscriber: int
    sequence: int  # the message from which on it holds
    added: list[bytes]
    cancelled: list[bytes]


@record
class Resume:
    """To a worker, with a descriptor of the connection: go on with it."""

    code: ClassVar[int] = 17
    descriptors: ClassVar[int] = 1
    subscriber: int
    slot: int
    protocol: str  # what its listener speaks: "zmtp" or "zmtp+plain"; others have a key
    version: str  # of that, as it was found out in the handshake
    policy: dict[str, int | float | str | bool]  # all fields of a `SlowPolicy`
    debt: int = 0  # ns that are missing of its budget, see `peer_budget`
    quiet: bool = False  # its worker has given it up: its record says all that was sent and read
    slow: bool = False  # it was reported as that, and not yet that it has recovered
    stalled: bool = False  # the same
    chose: bool = False  # it was reported that it has chosen something, and not yet the opposite
    boxes: list[bytes] = NO_BOXES  # of `Released`, if it is sealed: secret
    chosen_by: str = "publisher"  # who has chosen its policy: one of `cards.CHOSEN_BY`

    def __repr__(self) -> str:
        return f"Resume({self.subscriber}, {self.slot}, {self.protocol!r}, {self.version!r})"


@record
class Resumed:
    """From a worker: what has become of that."""

    code: ClassVar[int] = 18
    subscriber: int
    ok: bool  # False = it was not touched
    reason: str  # why not
    again: bool = False  # another worker may be able to; if not, it is to be ended
    short: bool = False  # the system had no descriptor or no memory for it


@record
class Release:
    """To a worker: give this connection up, so that another one can go on with it."""

    code: ClassVar[int] = 19
    subscriber: int
    held: int  # from this message on the log is held for it


@record
class Released:
    """From a worker: what has become of that. All that it had to report was reported before."""

    code: ClassVar[int] = 20
    subscriber: int
    ok: bool  # True = it does nothing with it any more, False = it serves it as before
    reason: str  # why not
    debt: int = 0  # ns that are missing of its budget, see `peer_budget`
    boxes: list[bytes] = NO_BOXES  # how its boxes go on, see `workers.connections.handed`: secret

    def __repr__(self) -> str:
        return f"Released({self.subscriber}, {self.ok}, {self.reason!r})"


OfTakeovers: TypeAlias = Wants | Resume | Resumed | Release | Released
