"""The send path: whom it wakes, after a commit and for want of room."""

from __future__ import annotations

import select
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from fanout.errors import BrokenError
from fanout.send.gate import BROKEN
from fanout.send.path import SendPath
from fanout.send.topics import UNKNOWN, Topic
from fanout.send.wire import COPY_ONCE_BYTES
from fanout.shm import fence as fences
from fanout.shm.bells import Bell
from fanout.shm.credit import Credit
from fanout.shm.doorbell import Doorbell
from fanout.shm.layout import SLEEPERS_EACH
from fanout.shm.log import NO_SPACE
from fanout.shm.reader import LogReader
from fanout.shm.segment import Segment
from fanout.shm.worker_slot import HOLDS, NO_TAIL, WorkerSlot, sleeper_byte
from fanout.workers.idling import Idling
from fanout.zmtp.frames import encode_message
from tests.helpers.built import BOTH, path_type
from tests.helpers.log import SMALL
from tests.unit.send.line import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fanout.send.topics import Subject


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
    interest: Any = SimpleNamespace(routes=2, workers_for=lambda _topic: {0})
    path = SendPath(segment, bells, mock.Mock(), interest, 16)
    sleeper_byte(segment, 0)[0] = 1
    topic = InterruptedTopic(1, b"A")

    def outdated() -> None:
        with (
            mock.patch.object(interest, "routes", 2),
            mock.patch.object(interest, "workers_for", return_value={0}),
        ):
            path.append(b"\x00\x00", topic)

    interest.routes, interest.workers_for = 4, lambda _topic: {1}
    topic.other_thread = outdated
    path.append(b"\x00\x00", topic)
    bells[1].reset_mock()
    path.append(b"\x00\x00", topic)

    bells[1].wake.assert_called_once()
    segment.close()


def test_a_send_that_found_it_broken_is_refused_as_such_if_it_is_mended_meanwhile() -> None:
    with Line() as line:
        path, refuse = line.path, line.path._refuse
        topic = path.intern(b"A")
        path.append(b"\x00\x00", topic)
        path.gate.shut(BROKEN)

        def refuse_late() -> None:
            path.gate.mend()
            refuse()

        with mock.patch.object(path, "_refuse", refuse_late), pytest.raises(BrokenError):
            path.append(b"\x00\x00", topic)

        assert path.append(b"\x00\x00", topic) == 1, "nothing was sent, and nothing is locked"


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

    idle = [Idling(around(index), write_set) for index in range(workers)]
    bells = [Bell(segment, index, doorbell) for index, doorbell in enumerate(doorbells)]
    last = workers - 1
    interest: Any = SimpleNamespace(
        routes=0, workers_for=lambda topic: {last} if topic == b"its own" else ()
    )
    path = SendPath(segment, bells, mock.Mock(), interest, 16)

    def rung_by(topic: bytes) -> list[int]:
        path.append(b"\x00\x00", path.intern(topic))
        return [index for index, doorbell in enumerate(doorbells) if doorbell.wait(0)]

    awake = rung_by(b"its own")
    for one in idle:
        assert one.sleep(reader.head())
    asleep = [rung_by(b"another"), rung_by(b"its own"), rung_by(b"its own")]
    idle[last].wake()
    woken = rung_by(b"its own")
    assert not idle[last].sleep(reader.head() - 1), "it has missed one"
    again = rung_by(b"its own")

    assert (awake, asleep, woken, again) == ([], [[], [last], []], [], [last])
    for doorbell in doorbells:
        doorbell.close()
    write_set.close()
    segment.close()


# What is appended.


@pytest.mark.parametrize("size", [0, 1, 255, 256, COPY_ONCE_BYTES - 1])
def test_a_body_goes_behind_the_topic_that_it_is_on(size: int) -> None:
    """As `Encoder` makes it: this is the short way to the same bytes."""
    body = b"x" * size
    with Line() as line:
        topic = line.path.intern(b"known")
        subjects: list[Subject] = [b"known", None, topic]
        for sequence, on in enumerate(subjects):
            assert line.path.make_room(2 * COPY_ONCE_BYTES)
            assert line.path.append(body, on) == sequence

        messages = [encode_message([b"known", body]), encode_message([body]), body]
        assert line.written() == messages
        assert line.reader.topic_ids(0, 3) == [topic.id, UNKNOWN.id, topic.id]


def test_what_takes_the_long_way_is_not_appended() -> None:
    with Line() as line:
        line.path.intern(b"known")
        for body, on in ((b"x", b"new"), (b"x" * COPY_ONCE_BYTES, b"known")):
            assert line.path.append(body, on) == NO_SPACE
        assert line.path.append(b"x" * COPY_ONCE_BYTES, None) == NO_SPACE
        assert line.written() == []


# Room.


class Crowd:
    """A send path with workers that hold the log back from message 0 on, and sleep."""

    def __init__(self, workers: int) -> None:
        self.segment = Segment.create(SMALL)
        self.slots = [WorkerSlot(self.segment, index) for index in range(workers)]
        self.doorbells = [Doorbell() for _ in range(workers)]
        bells = [Bell(self.segment, index, each) for index, each in enumerate(self.doorbells)]
        nobody: Any = SimpleNamespace(routes=0, workers_for=lambda _topic: ())
        self.path = SendPath(self.segment, bells, mock.Mock(), nobody, 16)
        for slot in self.slots:
            slot.tail, slot.resume = 0, NO_TAIL

    def fill(self, share: float) -> int:
        """Publish until so much of the log is used, and nobody was rung for; how many messages."""
        wire = bytes(1_024)
        count = int(SMALL.data_bytes * share) // len(wire)
        for _ in range(count):
            while self.path.append(wire, self.path.intern(b"A")) == NO_SPACE:
                assert self.path.make_room(len(wire), 1)
        self.rung()
        return count

    def rung(self) -> list[int]:
        """Whose doorbells were rung since the last call."""
        return [index for index, each in enumerate(self.doorbells) if each.wait(0)]

    def close(self) -> None:
        for doorbell in self.doorbells:
            doorbell.close()
        self.segment.close()


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    crowd = Crowd(2)
    yield crowd
    crowd.close()


def test_who_sleeps_is_woken_when_the_log_is_full(crowd: Crowd) -> None:
    """It may have slept through messages that do not concern it, and hold them all back."""
    check_that_sleepers_are_woken_when_the_log_is_full(crowd)


def check_that_sleepers_are_woken_when_the_log_is_full(crowd: Crowd) -> None:
    crowd.fill(0.2)
    assert not crowd.path.make_room(SMALL.data_bytes, 1)

    assert crowd.rung() == [0, 1]


def test_who_is_far_behind_is_woken_before_the_log_is_full(crowd: Crowd) -> None:
    check_that_who_is_far_behind_is_woken(crowd)


def check_that_who_is_far_behind_is_woken(crowd: Crowd) -> None:
    count = crowd.fill(0.3)
    crowd.slots[1].tail = count
    assert crowd.path.make_room(100, 1)

    assert crowd.rung() == [0]


def test_where_there_was_merely_no_credit_nobody_asks_what_the_log_is_needed_for(
    crowd: Crowd,
) -> None:
    path, slot = crowd.path, crowd.slots[0]
    slot.credit = Credit(sequence=path.log.head + 1)
    assert path.make_room(100, 1)
    assert path.append(b"x", path.intern(b"t")) != NO_SPACE
    assert not path.make_room(100, 1)
    slot.credit = Credit(sequence=path.log.head + 1)
    with mock.patch.object(path._tails, "look", side_effect=AssertionError):
        assert path.make_room(100, 1)


@pytest.mark.parametrize("built", BOTH)
def test_what_a_sleeper_has_left_is_found_without_waiting_for_it(built: str) -> None:
    """With a limit of some messages that is so each few of those that nobody wants."""
    with Line(make_path=path_type(built)) as line:
        path = line.path
        topic, log = path.intern(b"t"), path.log
        line.allow(Credit(log.head + 3, log.position + 10_000).left_at(log.head, log.position))
        line.fall_asleep()
        path.make_room(100)  # it has heard of that
        assert [path.append(b"x", topic) for _ in range(10)] == [*range(10)]

        line.wake()
        while path.append(b"x", topic) != NO_SPACE:
            pass
        line.fall_asleep()
        assert path.append(b"x", topic) == NO_SPACE, "it has looked there, and waits for more now"
        assert path.make_room(100)
        assert path.append(b"x", topic) != NO_SPACE


def test_a_worker_without_a_tail_is_not_behind(crowd: Crowd) -> None:
    crowd.fill(0.3)
    for slot in crowd.slots:
        slot.tail = NO_TAIL

    assert crowd.path.make_room(100, 1)
    assert crowd.rung() == []


@pytest.mark.parametrize("worker", [0, 1, SLEEPERS_EACH + 1])
def test_whom_the_publisher_goes_too_far_for_is_woken_whatever_is_published(worker: int) -> None:
    """It may just have got its first subscriber for that."""
    segment = Segment.create(SMALL)
    bells: Any = [mock.Mock() for _ in range(worker + 1)]
    interest: Any = SimpleNamespace(routes=0, workers_for=lambda _topic: ())
    path = SendPath(segment, bells, mock.Mock(), interest, 16)
    for sleep, rung in ((1, 0), (2 | HOLDS, 2)):
        WorkerSlot(segment, worker).fall_asleep(sleep)
        path.append(b"\x00\x00", Topic(1, b"A"))
        path.append_batch([b"\x00\x00"] * 2, [Topic(1, b"A"), Topic(2, b"B")])
        assert bells[worker].wake.call_count == rung
    segment.close()


def test_what_may_concern_anyone_wakes_everybody() -> None:
    segment = Segment.create(SMALL)
    bells: Any = [mock.Mock(), mock.Mock()]
    interest: Any = SimpleNamespace(routes=0, workers_for=lambda _topic: ())
    path = SendPath(segment, bells, mock.Mock(), interest, 16)
    sleeper_byte(segment, 0)[0] = 1

    path.append(b"\x00\x00", UNKNOWN)
    path.append_batch([b"\x00\x00"] * 2, [UNKNOWN, Topic(1, b"A")])

    assert [bell.wake.call_count for bell in bells] == [2, 2]
    segment.close()
