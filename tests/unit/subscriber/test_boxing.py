"""Boxes of what a subscriber says: in order, whole frames, and a bounded piece at a time."""

from __future__ import annotations

from fanout.subscriber.boxing import BOXES_BYTES, Boxing
from fanout.zmtp.boxes import CLIENT_TEXT, Counting
from fanout.zmtp.commands import ping, subscription
from fanout.zmtp.opener import Opener
from fanout.zmtp.sealer import Sealer
from tests.helpers.boxes import KEY, NoBoxes


def test_what_goes_in_comes_out_a_piece_at_a_time() -> None:
    boxes = NoBoxes()
    boxing = Boxing(Sealer(boxes, KEY, CLIENT_TEXT, 2))
    opener = Opener(boxes, KEY, CLIENT_TEXT, Counting(), 1 << 24)
    said = [subscription(b"%d" % number, as_command=True) for number in range(3_000)]
    said += [ping(b"context", 0), subscription(b"long" * 20_000, as_command=True)]
    said += [subscription(b"old", as_command=False)]
    whole = b"".join(said)
    plain, opened, pieces = bytearray(whole), b"", 0
    while plain:
        before = len(plain)
        opened += opener.open(boxing.take(plain))
        pieces += 1
        assert before - len(plain) < BOXES_BYTES + len(said[-2])
    assert opened == whole
    assert pieces > len(whole) // (BOXES_BYTES + len(said[-2]))
    assert boxing.take(plain) == b""
    assert len(boxes.sealed) == len(said)  # each nonce once
