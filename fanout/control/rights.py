"""Control messages about what subscribers may have; see `messages.py`."""

from __future__ import annotations

from typing import ClassVar, TypeAlias

from fanout.basics.records import record


@record
class Permit:
    """To a worker: this subscriber may have this from now on; before its verdict, or later."""

    code: ClassVar[int] = 40
    subscriber: int
    number: int  # of this change; the worker says it when it has been made
    everything: bool
    allowed: list[bytes]


@record
class Permitted:
    """From a worker: that change is reported, and made."""

    code: ClassVar[int] = 41
    subscriber: int
    number: int


@record
class Asked:
    """From a worker: a subscriber with rights asks for more, or less, than before.

    What it wants by that is a report of its own, behind this one.
    """

    code: ClassVar[int] = 42
    subscriber: int
    added: list[bytes]
    cancelled: list[bytes]


@record
class Refused:
    """From a worker: a subscriber gets nothing of so much that it asks for, this for example."""

    code: ClassVar[int] = 43
    subscriber: int
    count: int
    example: list[bytes]  # one


@record
class Rights:
    """To a worker, before the `Resume`: what that subscriber may have."""

    code: ClassVar[int] = 44
    subscriber: int
    number: int
    everything: bool
    allowed: list[bytes]


@record
class Asks:
    """To a worker, before the `Resume`: a part of what that subscriber asks for."""

    code: ClassVar[int] = 45
    subscriber: int
    prefixes: list[bytes]


OfRights: TypeAlias = Permit | Permitted | Asked | Refused | Rights | Asks
