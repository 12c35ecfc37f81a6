"""What is cut and sealed for one send, and how much of it may wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.security.sodium import Sodium
from fanout.workers.connections.boxing import KEPT_BYTES, SEAL_BYTES, SHARED_BYTES, Boxing
from fanout.zmtp import encode_message
from fanout.zmtp.boxes import SERVER_TEXT, Counting
from fanout.zmtp.errors import RemoteProtocolError
from fanout.zmtp.opener import Opener
from fanout.zmtp.sealer import Sealer
from tests.helpers.boxes import KEY, InStretches

if TYPE_CHECKING:
    from fanout.workers.connections.boxing import Boxes


@pytest.fixture(params=[False, True], ids=["one by one", "in stretches"])
def sodium(request: pytest.FixtureRequest) -> Sodium:
    """Real boxes, made by a call for each of them, and by one for many."""
    made = Sodium()
    made.stretches = InStretches(made.seal) if request.param else None
    return made


def opened(sodium: Sodium, wire: bytes | memoryview) -> bytes:
    opener = Opener(sodium, KEY, SERVER_TEXT, Counting(), 1 << 24)
    return opener.open(bytes(wire))


def made(sodium: Sodium, wire: bytes, boxing: Boxing | None = None) -> Boxes:
    sealer = Sealer(sodium, KEY, SERVER_TEXT, 0)
    found = (boxing or Boxing()).of(memoryview(wire), sealer)
    assert found is not None
    return found


def test_boxes_are_of_whole_frames(sodium: Sodium) -> None:
    wire = encode_message([b"topic", b"x" * 300])
    boxes = made(sodium, wire + wire[:7] + wire[7:-1])
    assert bytes(boxes.plain) == wire + wire[:7]
    assert opened(sodium, boxes.wire) == wire + wire[:7]
    assert boxes.ends()[0] == [7, len(wire), len(wire) + 7]
    assert boxes.ends()[1][-1] == len(boxes.wire)


def test_there_is_no_whole_frame(sodium: Sodium) -> None:
    sealer = Sealer(sodium, KEY, SERVER_TEXT, 0)
    wire = encode_message([b"topic"])
    for size in range(len(wire)):
        assert Boxing().of(memoryview(wire)[:size], sealer) is None
    assert sealer.hand_over() == (KEY, 0), "no nonce was used"


def test_what_waits_is_in_memory_of_its_own(sodium: Sodium) -> None:
    boxing = Boxing()
    wire = encode_message([b"x" * 1000]) * 40
    boxes = made(sodium, wire, boxing)
    sent = bytes(boxes.wire)
    ends, box_ends = boxes.ends()
    waiting = boxes.behind(3)
    assert waiting is not None
    for _ in range(9):
        made(sodium, encode_message([b"y" * 1000]) * 40, boxing)
    count = len(waiting.ends()[0])
    assert waiting.plain == wire[ends[2] : ends[2 + count]]
    assert waiting.wire == sent[box_ends[2] : box_ends[2 + count]]
    assert waiting.ends()[0] == [end - ends[2] for end in ends[3 : 3 + count]]
    assert waiting.ends()[1] == [end - box_ends[2] for end in box_ends[3 : 3 + count]]
    assert len(waiting.wire) <= KEPT_BYTES < len(waiting.wire) + 1100
    assert boxes.behind(len(ends)) is None


def test_a_frame_that_is_longer_than_what_is_kept(sodium: Sodium) -> None:
    boxing = Boxing()
    for size in (10, SHARED_BYTES + 1, 20, SEAL_BYTES, 30):
        wire = encode_message([b"x" * size])
        boxes = made(sodium, wire, boxing)
        assert opened(sodium, boxes.wire) == wire
    assert len(boxing._out) <= SHARED_BYTES


def test_what_is_made_for_one_is_for_nobody_else(sodium: Sodium) -> None:
    boxing, wire = Boxing(), encode_message([b"topic", b"x"])
    sealer = Sealer(sodium, b"o" * 32, SERVER_TEXT, 0)
    other = boxing.of(memoryview(wire), sealer)
    assert other is not None
    with pytest.raises(RemoteProtocolError):
        opened(sodium, other.wire)
    assert opened(sodium, made(sodium, wire, boxing).wire) == wire
