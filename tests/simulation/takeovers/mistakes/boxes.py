"""Ways to break what is handed over of a connection in boxes."""

from __future__ import annotations

from typing import Any

from fanout.workers.connections import resuming
from fanout.workers.connections.sealed import SealedSend
from tests.simulation.takeovers.mistakes.known import replaces


@replaces(SealedSend, "hand_over")
def count_nonces_from_the_first_one_again(original: Any, self: SealedSend) -> tuple[bytes, int]:
    key, _count = original(self)
    return key, 1


@replaces(SealedSend, "hand_over")
def forget_the_nonces_of_what_waits(original: Any, self: SealedSend) -> tuple[bytes, int]:
    waiting = self._waiting
    key, count = original(self)
    return key, count - (0 if waiting is None else len(waiting.ends()[0]))


def _without(original: Any, boxes: Any, read: Any, **less: Any) -> Any:
    over = original(boxes, read)
    return over._replace(remainder=over.remainder._replace(**less))


@replaces(resuming, "unpacked")
def forget_what_is_half_out(original: Any, boxes: Any, read: Any) -> Any:
    return _without(original, boxes, read, pending=b"")


@replaces(resuming, "unpacked")
def forget_how_much_of_that_is_told(original: Any, boxes: Any, read: Any) -> Any:
    return _without(original, boxes, read, owed=0)


@replaces(resuming, "unpacked")
def forget_a_part_of_a_box_that_has_come(original: Any, boxes: Any, read: Any) -> Any:
    return original(boxes, read)._replace(part=b"")
