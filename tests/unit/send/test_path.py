"""The send path: whom it wakes."""

from __future__ import annotations

import select
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from fanout.send.path import SendPath
from fanout.send.topics import Topic
from fanout.shm import fence as fences
from fanout.shm.bells import Bell
from fanout.shm.doorbell import Doorbell
from fanout.shm.reader import LogReader
from fanout.shm.segment import Segment
from fanout.shm.worker_slot import WorkerSlot, sleeper_byte
from fanout.workers.rest import Rest
from tests.helpers.log import SMALL

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True, params=[True, False], ids=["in order", "reordered"])
def stores(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that keeps stores in order, and on one that does not."""
    monkeypatch.setattr(fences, "STORES_STAY_IN_ORDER", request.param)


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
    sleeper_byte(segment, 0)[0] = 1
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


@pytest.mark.parametrize("workers", [1, 2, 8, 9, 200])
def test_a_worker_is_woken_once_for_each_sleep_and_only_for_what_it_has_to_send(
    workers: int,
) -> None:
    segment = Segment.create(SMALL)
    reader = LogReader(segment)
    doorbells = [Doorbell() for _ in range(workers)]
    write_set = select.epoll()

    def around(index: int) -> Any:
        slot = WorkerSlot(segment, index)
        return SimpleNamespace(slot=slot, log=reader, now=time.monotonic_ns, naps=mock.Mock)

    rests = [Rest(around(index), write_set) for index in range(workers)]
    bells = [Bell(segment, index, doorbell) for index, doorbell in enumerate(doorbells)]
    last = workers - 1
    interest: Any = SimpleNamespace(
        generation=0, workers_for=lambda topic: {last} if topic == b"its own" else ()
    )
    path = SendPath(segment, bells, mock.Mock(), interest, 16)

    def rung_by(topic: bytes) -> list[int]:
        path.append(b"\x00\x00", path.intern(topic))
        return [index for index, doorbell in enumerate(doorbells) if doorbell.wait(0)]

    awake = rung_by(b"its own")
    for rest in rests:
        assert rest.sleep(reader.head())
    asleep = [rung_by(b"another"), rung_by(b"its own"), rung_by(b"its own")]
    rests[last].wake()
    woken = rung_by(b"its own")
    assert not rests[last].sleep(reader.head() - 1), "it has missed one"
    again = rung_by(b"its own")

    assert (awake, asleep, woken, again) == ([], [[], [last], []], [], [last])
    for doorbell in doorbells:
        doorbell.close()
    write_set.close()
    segment.close()
