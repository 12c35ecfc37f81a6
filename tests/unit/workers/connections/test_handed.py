"""What is handed over comes back as it was; nothing of it has a text."""

from __future__ import annotations

import struct

from fanout.workers.connections.handed import HandedOver, kept, packed, unpacked
from fanout.workers.connections.sealed import NOTHING_KEPT, KeptBoxes
from fanout.zmtp.boxes import CLIENT_TEXT, SHORT_NONCE_MAX, Counting
from fanout.zmtp.opener import Opener
from tests.helpers.boxes import KEY, NoBoxes

REST = KeptBoxes(1, 2, 3, 4, b"pending", b"partial")
MOST = SHORT_NONCE_MAX - 1  # the peer counts as it likes


def stored(data: bytes, where: int) -> dict[tuple[int, int], bytes]:
    return {(where, len(data)): data}


def test_all_of_it() -> None:
    opener = Opener(NoBoxes(), KEY, CLIENT_TEXT, Counting(MOST), 100, b"\0\x60pa")
    data = kept(REST, opener)
    boxes = packed(KEY, (5, opener.hand_over()), REST, len(opener.part), 4096)
    over = unpacked(boxes, lambda *place: stored(data, 4096)[place])
    assert over == HandedOver(KEY, 5, MOST, b"\0\x60pa", REST)
    assert repr(over) == "<HandedOver>"


def test_if_nothing_is_kept_nothing_is_read() -> None:
    boxes = packed(KEY, (5, 6), NOTHING_KEPT, 0, 0)
    reads: list[int] = []

    def read(_offset: int, size: int) -> bytes:
        reads.append(size)
        return bytes(size)

    over = unpacked(boxes, read)
    assert over == HandedOver(KEY, 5, 6, b"", NOTHING_KEPT)
    assert not reads


def test_what_is_not_there_any_more_is_nothing() -> None:
    boxes = packed(KEY, (5, 6), REST, 0, 4096)
    assert unpacked(boxes, lambda _offset, _size: b"pending") is None
    key, numbers = packed(KEY, (5, 6), NOTHING_KEPT, 0, 0)
    assert unpacked([key[1:], numbers], lambda *_: b"") is None
    assert unpacked([key, numbers + struct.pack("Q", 0)], lambda *_: b"") is None


def test_only_what_may_be_seen_is_stored() -> None:
    """The key is in what goes over the channel, and in nothing else."""
    opener = Opener(NoBoxes(), KEY, CLIENT_TEXT, Counting(), 100, b"\0\x60pa")
    assert kept(REST, opener) == b"pendingpartial\0\x60pa"
    assert KEY in packed(KEY, (5, 6), REST, 4, 4096)
