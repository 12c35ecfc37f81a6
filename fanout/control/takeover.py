"""Messages by which a worker takes over connections of one that was lost; see `messages.py`."""

from __future__ import annotations

from typing import ClassVar

from fanout.records import record


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
    """To a worker, with a descriptor of the connection: go on with it, another worker was lost."""

    code: ClassVar[int] = 17
    descriptors: ClassVar[int] = 1
    subscriber: int
    slot: int
    protocol: str  # what its listener speaks: "zmtp"
    version: str  # of that, as it was found out in the handshake
    policy: dict[str, int | float | str | bool]  # all fields of a `SlowPolicy`
    debt: int = 0  # ns that are missing of its budget, see `peer_budget`


@record
class Resumed:
    """From a worker: what has become of that."""

    code: ClassVar[int] = 18
    subscriber: int
    ok: bool  # False = it was not touched, and is to be ended
    reason: str  # why not
