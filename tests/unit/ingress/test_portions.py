"""What is appended of what was found: all of it, in order, in pieces that the log can hold."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, cast

import pytest

from fanout.ingress.portions import Portions, with_number
from fanout.ingress.splitting import FoundMessages
from fanout.ingress.terms import Terms
from fanout.send.topics import Topic
from fanout.send.wire import NUMBER_FRAME
from fanout.zmtp import encode_message, split_message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.send.path import SendPath

TOPIC = Topic(7, b"a")


class Appended:
    """A send path that remembers."""

    def __init__(self) -> None:
        self.calls: list[list[bytes]] = []

    def append_joined(self, data: bytes, ends: Sequence[int], topics: Sequence[Topic]) -> int:
        assert list(topics) == [TOPIC] * len(ends)
        assert ends[-1] == len(data)
        starts = [0, *ends[:-1]]
        self.calls.append([data[a:b] for a, b in zip(starts, ends, strict=True)])
        return 0

    def append_batch(self, wires: Sequence[bytes], topics: Sequence[Topic]) -> int:
        assert list(topics) == [TOPIC] * len(wires)
        self.calls.append(list(wires))
        return 0


def found_of(wires: list[bytes], pieces: int = 1) -> FoundMessages:
    data = b"".join(wires)
    cut = len(data) // pieces
    parts = [data[i * cut : (i + 1) * cut] for i in range(pieces - 1)] + [
        data[(pieces - 1) * cut :]
    ]
    return FoundMessages(
        [*parts], len(data), list(accumulate(map(len, wires))), [TOPIC] * len(wires)
    )


def appended(wires: list[bytes], limit: int, count: int, *, numbers: bool) -> list[list[bytes]]:
    path = Appended()
    portions = Portions(cast("SendPath", path), Terms(numbers, limit, count, 0, 0))
    for attempt in portions.of(found_of(wires, 3)):
        before = len(path.calls)
        attempt.append()
        assert attempt.count == len(path.calls[before])
        assert attempt.size == sum(map(len, path.calls[before]))
    return path.calls


WIRES = [encode_message([b"a", b"x" * size]) for size in (0, 1, 5, 300, 2, 2, 2, 2, 100)]


def test_mostly_all_is_one_commit() -> None:
    assert appended(WIRES, 10_000, 100, numbers=False) == [WIRES]


@pytest.mark.parametrize("numbers", [False, True])
@pytest.mark.parametrize("limit", [400, 500])
@pytest.mark.parametrize("count", [1, 2, 4, 100])
def test_pieces_are_within_the_limits(limit: int, count: int, numbers: bool) -> None:
    calls = appended(WIRES, limit, count, numbers=numbers)
    wanted = [with_number(wire) for wire in WIRES] if numbers else WIRES
    assert [wire for call in calls for wire in call] == wanted
    assert all(len(call) <= count for call in calls)
    assert all(sum(map(len, call)) <= limit for call in calls)
    for one, other in pairwise(calls):
        has_room = sum(map(len, one)) + len(other[0]) <= limit and len(one) < count
        assert not has_room, "it would have fitted"


@pytest.mark.parametrize("frames", [[b""], [b"a"], [b"a", b"x" * 256], [b"x" * 300, b"", b"y"]])
def test_a_number_is_one_frame_more(frames: list[bytes]) -> None:
    wire = with_number(encode_message(frames))
    assert wire.endswith(NUMBER_FRAME)
    assert split_message(wire) == [*frames, bytes(16)]


def test_there_is_room_for_the_number() -> None:
    path, terms = cast("SendPath", Appended()), Terms(False, 1000, 10, 0, 0)
    assert Portions(path, terms).message_limit == 1000
    numbered = terms._replace(numbered=True)
    assert Portions(path, numbered).message_limit == 1000 - len(NUMBER_FRAME)
