"""The send path: whom it wakes when threads look that up at once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

from fanout.send_path import SendPath
from fanout.shm.segment import Segment
from fanout.topics import Topic
from tests.helpers.log import SMALL

if TYPE_CHECKING:
    from collections.abc import Callable


class InterruptedTopic(Topic):
    """Lets another thread go on after the first store to it."""

    __slots__ = ("other_thread",)
    other_thread: Callable[[], None] | None

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        other = getattr(self, "other_thread", None)
        if name != "other_thread" and other is not None:
            self.other_thread = None
            other()


def test_a_thread_that_looked_before_a_change_does_not_hide_it() -> None:
    """It stores what it found after another thread has begun to store what is true now."""
    segment = Segment.create(SMALL)
    bells: Any = [mock.Mock(), mock.Mock()]
    interest: Any = SimpleNamespace(generation=2, workers_for=lambda _topic: {0})
    path = SendPath(segment, bells, mock.Mock(), interest, 16)
    topic = InterruptedTopic(1, b"A")

    def outdated() -> None:
        with (
            mock.patch.object(interest, "generation", 2),
            mock.patch.object(interest, "workers_for", return_value={0}),
        ):
            path.append(b"\x00\x00", topic)

    interest.generation, interest.workers_for = 4, lambda _topic: {1}
    topic.other_thread = outdated
    path.append(b"\x00\x00", topic)
    bells[1].reset_mock()
    path.append(b"\x00\x00", topic)

    bells[1].wake.assert_called_once()
    segment.close()
