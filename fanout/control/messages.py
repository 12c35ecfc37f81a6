"""Control messages between coordinator and worker: records to msgpack and back; pure.

They travel over a SOCK_SEQPACKET pair, one or more to a packet, descriptors beside them. A worker
reports before it acts: what it reported can be read from the socket after its death.

What arrives is checked as strictly as if it came from a stranger: a mismatch is a bug of ours or a
mixture of versions, and must be seen at once.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, TypeAlias, get_args

import msgpack

from fanout.basics.records import fields_of, record
from fanout.control.conduct import OfConduct
from fanout.control.judging import OfJudging
from fanout.control.leftovers import LeftFile
from fanout.control.rights import OfRights
from fanout.control.takeover import OfTakeovers, Resume

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKET_BYTES_MAX = 96 * 1024  # holds the longest subscription; a Unix socket takes 200 KiB at once
_PACKET_HEADER_BYTES = 5  # at most: of a list, in msgpack
NO_FIELDS: dict[str, int | float | str | bool] = {}  # nobody changes a message
INT_MAX = 1 << 56  # sums of them fit where they are counted; a count takes centuries to get there


class ControlError(Exception):
    """A control message that cannot be: a bug, or two versions of fanout in one publisher."""


@record
class Hello:
    """To a new worker, with the descriptors of segment, doorbell and room bell."""

    code: ClassVar[int] = 1
    descriptors: ClassVar[int] = 3
    worker: int
    coordinator_pid: int
    options: dict[str, int | float | str | bool]


@record
class Started:
    """From a worker: it has mapped the segment and serves."""

    code: ClassVar[int] = 2
    pid: int


@record
class Adopt:
    """To a worker, with the descriptor of an accepted connection."""

    code: ClassVar[int] = 3
    descriptors: ClassVar[int] = 1
    subscriber: int
    slot: int
    protocol: str  # what its listener speaks: "zmtp", "zmtp+plain", "zmtp+curve#1" and the like
    debt: int = 0  # ns that are missing of its budget, see `peer_budget`


@record
class Connected:
    """From a worker: the handshake of this connection is done."""

    code: ClassVar[int] = 4
    subscriber: int
    version: str


@record
class Subscriptions:
    """From a worker: it is about to apply this change, from message `sequence` on."""

    code: ClassVar[int] = 5
    subscriber: int
    sequence: int
    added: list[bytes]
    cancelled: list[bytes]


@record
class Closed:
    """From a worker: it has shut the connection down; final figures."""

    code: ClassVar[int] = 6
    subscriber: int
    evicted: bool
    cause: int  # the number of a `Reason`
    reason: str  # in words, with the figures of this case
    matched: int
    sent: int
    dropped: int
    discarded: int
    kernel_bytes: int
    matched_bytes: int = 0
    sent_bytes: int = 0
    dropped_bytes: int = 0
    discarded_bytes: int = 0
    conflated: int = 0
    conflated_bytes: int = 0
    dropped_messages: int = 0  # of `dropped`: because of a limit in messages
    dropped_age: int = 0  # because of one in seconds
    dropped_log: int = 0  # because of the log
    dropped_messages_bytes: int = 0
    dropped_age_bytes: int = 0
    dropped_log_bytes: int = 0
    exact: bool = True  # False = some of it may be missing, or in `discarded` although it was sent
    debt: int = 0  # ns that its address owes now, see `peer_budget`
    uncounted: bool = False  # True = it was to be sent more of the past, which is in no figure
    chosen_by: str = ""  # by whom what its worker went by was chosen; empty = nobody can tell
    policy: dict[str, int | float | str | bool] = NO_FIELDS  # that; empty = the publisher's


@record
class Slow:
    """From a worker: this subscriber has begun to lose messages, or stalls; or it has recovered."""

    code: ClassVar[int] = 7
    subscriber: int
    recovered: bool
    dropped: int
    reason: str
    stalled: bool = False


@record
class Chose:
    """From a worker: this subscriber says this of itself; all of it, whenever that changes."""

    code: ClassVar[int] = 13
    subscriber: int
    name: str
    settings: dict[str, int | float | str | bool]  # fields of a `SlowPolicy`, each one possible


@record
class Declined:
    """From a worker: this subscriber wants something for itself that it cannot have."""

    code: ClassVar[int] = 14
    subscriber: int
    reason: str


@record
class KeyframeWanted:
    """From a worker: somebody wants these topics, and the log has no keyframe of them any more."""

    code: ClassVar[int] = 23
    topics: list[bytes]


@record
class SetPolicy:
    """To a worker: this happens from now on to that subscriber when it is behind."""

    code: ClassVar[int] = 15
    subscriber: int
    policy: dict[str, int | float | str | bool]  # all fields of a `SlowPolicy`
    is_its_own: bool = False  # by what it has said, for which it pays
    chosen_by: str = "publisher"  # one of `cards.CHOSEN_BY`


@record
class Evict:
    """To a worker: end this connection."""

    code: ClassVar[int] = 12
    subscriber: int
    cause: int  # the number of a `Reason`
    reason: str  # in words, with the figures of this case


@record
class WriteSlots:
    """To a worker: bring the slots up to date and answer."""

    code: ClassVar[int] = 8
    token: int


@record
class SlotsWritten:
    """From a worker: the slots were exact when this was sent."""

    code: ClassVar[int] = 9
    token: int


@record
class Finish:
    """To a worker: deliver what is queued within so many seconds, close everything, end."""

    code: ClassVar[int] = 10
    timeout: float
    spread: float = 0.0  # seconds over which it closes those who have everything


Message: TypeAlias = (
    Hello
    | Started
    | Adopt
    | Connected
    | Subscriptions
    | Closed
    | Slow
    | Chose
    | Declined
    | KeyframeWanted
    | SetPolicy
    | Evict
    | WriteSlots
    | SlotsWritten
    | Finish
    | OfConduct
    | OfTakeovers
    | OfJudging
    | OfRights
    | LeftFile
)


def _places_of(kind: type, usual: list[type]) -> list[int]:
    return [place for place, one in enumerate(usual) if one is kind]


_BY_CODE: dict[int, type[Message]] = {kind.code: kind for kind in get_args(Message)}
_TYPES: dict[str, tuple[type, ...]] = {  # the first is what nearly all are
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "str": (str,),
    "list[bytes]": (list,),
    "dict[str, int | float | str | bool]": (dict,),
}
_FIELDS = {code: [*fields_of(kind).items()] for code, kind in _BY_CODE.items()}
# The same, ready for what is done with each message.
_NAMES = {code: [name for name, _ in known] for code, known in _FIELDS.items()}
_USUAL = {code: [_TYPES[text][0] for _, text in known] for code, known in _FIELDS.items()}
_INTS = {code: _places_of(int, usual) for code, usual in _USUAL.items()}
_LISTS = {code: _places_of(list, usual) for code, usual in _USUAL.items()}
_WITH_DICTS = {code for code, usual in _USUAL.items() if dict in usual}
_FIX_ARRAY, _FIX_ARRAY_MAX = 0x90, 15  # of msgpack: a header of one byte


class _Packer(threading.local):
    """Of each thread. Not for dicts: there, garbage may be collected, which may come back here."""

    def __init__(self) -> None:
        self.pack = msgpack.Packer().pack


_packer = _Packer()


def encode(message: Message) -> bytes:
    """One message, to be made part of a packet.

    Raises:
        ControlError: larger than a packet may be; a bug, since senders split what can grow.
    """
    code = message.code
    values = [code, *[getattr(message, name) for name in _NAMES[code]]]
    encoded: bytes = (msgpack.packb if code in _WITH_DICTS else _packer.pack)(values)
    if _PACKET_HEADER_BYTES + len(encoded) > PACKET_BYTES_MAX:
        raise ControlError(f"{type(message).__name__} of {len(encoded):,} bytes")
    return encoded


def pack(encoded: Sequence[bytes]) -> bytes:
    """A packet of these messages; the caller sees to it that it is not too large."""
    count = len(encoded)
    if count <= _FIX_ARRAY_MAX:
        header = bytes((_FIX_ARRAY + count,))
    else:
        header = msgpack.Packer().pack_array_header(count)
    return header + b"".join(encoded)


def decode(packet: bytes) -> list[Message]:
    """The messages in a packet.

    Raises:
        ControlError: they are not ours, or not of this version.
    """
    try:
        parts = msgpack.unpackb(packet, raw=False, strict_map_key=True)
    except Exception:
        # Nothing of it is shown, here and below: passwords are among what is sent.
        raise ControlError(f"not a control packet, of {len(packet)} bytes") from None
    if not isinstance(parts, list):
        raise ControlError(f"a control packet is a list of messages, not {type(parts).__name__}")
    return list(map(_decode, parts))


def descriptors_with(message: Message) -> int:
    """How many descriptors travel with such a message."""
    return message.descriptors if isinstance(message, Hello | Adopt | Resume) else 0


def _decode(part: object) -> Message:
    code, values = (part[0], part[1:]) if isinstance(part, list) and part else (None, [])
    kind = _BY_CODE.get(code) if isinstance(code, int) else None
    if kind is None:
        raise ControlError(f"not a control message: its code is {code!r:.40}")
    known = _FIELDS[kind.code]
    if len(values) != len(known):
        raise ControlError(f"{kind.__name__} with {len(values)} fields, not {len(known)}")
    is_usual = list(map(type, values)) == _USUAL[kind.code]
    for place in _LISTS[kind.code] if is_usual else range(len(known)):
        name, text = known[place]
        if not _is_of(values[place], _TYPES[text]):
            kind_of = type(values[place]).__name__
            raise ControlError(f"{kind.__name__}.{name} is of type {kind_of}, not {text}")
    for place in _INTS[kind.code]:
        if not 0 <= values[place] <= INT_MAX:
            text = f"{known[place][0]} is {values[place]}, not from 0 to {INT_MAX}"
            raise ControlError(f"{kind.__name__}.{text}")
    return kind(*values)


def _is_of(value: object, expected: tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return bool in expected
    if isinstance(value, list):
        return list in expected and _are_bytes(value)
    return isinstance(value, expected)


def _are_bytes(values: list[bytes]) -> bool:
    with suppress(TypeError):  # nothing else that can be unpacked can be joined
        b"".join(values)
        return True
    return False
