"""Ways to break which numbers messages have in encodings that count them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.workers.stream.backlog import Backlog
from fanout.workers.stream.sorting import Sorting
from tests.simulation.mutations.known import replaces
from tests.simulation.peers import Numbered, numbered

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member
    from fanout.zmtp.encoding import Encoding


class Shifted:
    """An encoding with the number of the next message."""

    def __init__(self, encoding: Encoding) -> None:
        self.shared = encoding.shared
        self._encoding = encoding

    def encode(self, piece: bytes, number: int) -> bytes:
        return self._encoding.encode(piece, number + 1)


@replaces(Numbered, "encode")
def number_anew(_original: Any, self: Numbered, piece: bytes, _number: int) -> bytes:
    self.__dict__["count"] = count = self.__dict__.get("count", 0) + 1
    return numbered(count, piece)


@replaces(Backlog, "detach")
def number_the_rest_as_the_next(original: Any, self: Backlog, member: Member, front: int) -> None:
    encoding = member.encoding
    if encoding is None or not member.offset:
        original(self, member, front)
        return
    member.encoding = Shifted(encoding)
    original(self, member, front)
    member.encoding = encoding


@replaces(Sorting, "sequence_of")
def number_from_the_start_of_a_batch(original: Any, self: Sorting, piece: bytes) -> int:
    sequence: int = original(self, piece)
    return sequence - self._first
