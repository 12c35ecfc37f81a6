"""What a mark says of the subscriptions that it is about, in bytes that are bounded."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from fanout.terms.reserved import SNAPSHOT_TOPIC
from fanout.workers.stream.snapshot import Snapshot
from fanout.workers.stream.value_marks import (
    NAMES_BYTES_MAX,
    About,
    about,
    granted_later,
    mark_of,
)
from tests.unit.workers.stream.test_showing import messages_in

EPOCH, AT = 77, 20
OLD_SUBSCRIBERS_MAX = 4_096  # bytes of what they take for a mark


def said_of(snapshot: Snapshot) -> dict[str, Any]:
    wire = mark_of(snapshot, EPOCH, AT, is_end=True)
    [(topic, body)] = messages_in(wire)
    assert topic == SNAPSHOT_TOPIC
    said: dict[str, Any] = msgpack.unpackb(body)
    return said


def snapshot_of(prefixes: Any, told: About | None = None) -> Snapshot:
    return Snapshot(1, AT, -1, prefixes, is_alone=False, is_told=True, about=told)


def test_a_mark_names_what_it_is_about() -> None:
    assert said_of(snapshot_of([b"a", b""])) == {
        "epoch": EPOCH,
        "at": AT,
        "count": 0,
        "evicted": 0,
        "subscriptions": 2,
        "prefixes": [b"a", b""],
        "end": True,
    }


@pytest.mark.parametrize("size", [1, 20, 255, 3_000])
def test_of_more_than_it_has_room_for_it_names_the_first_and_says_how_many(size: int) -> None:
    prefixes = [b"%0*d" % (size, number) for number in range(10 if size == 1 else 5_000)]
    prefixes *= 500 if size == 1 else 1
    many, names, denied = about(prefixes)
    assert (many, denied) == (5_000, 0)
    assert names == prefixes[: len(names)]
    assert len(names) == min(5_000, NAMES_BYTES_MAX // (size + 3))
    assert len(mark_of(snapshot_of(prefixes), EPOCH, AT, is_end=True)) < OLD_SUBSCRIBERS_MAX


def test_it_names_first_what_is_denied_of_them() -> None:
    told = about([b"a", b"b", b"c"], [b"b"])
    assert told == (3, [b"b", b"a", b"c"], 1)
    assert said_of(snapshot_of([], told))["denied"] == 1
    assert About(*msgpack.unpackb(msgpack.packb(told))) == told, "as another worker gets it"
    large = [b"x" * 200 + b"%d" % number for number in range(99)]
    told = about(large, large)
    assert 0 < told.denied == len(told.names) < 99
    assert len(mark_of(snapshot_of([], told), EPOCH, AT, is_end=True)) < OLD_SUBSCRIBERS_MAX


def test_what_is_granted_later_is_no_new_subscription() -> None:
    assert granted_later([b"a"]) == (0, [b"a"], 0)
