"""Looking at a segment again and again, with a clock of the test's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from fanout.basics.units import NS
from fanout.cli.top.columns import BY_NAME
from fanout.cli.top.watching import Wanted, Watcher
from fanout.errors import ClosedError
from fanout.observe.publishers import FoundPublisher
from fanout.shm.cards import Card
from tests.helpers.fake_segment import FakeSegment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanout.cli.top.figures import Frame
    from fanout.shm.cards import Identity


@dataclass
class Scene:
    """A segment, a watcher of it, and the time."""

    fake: FakeSegment
    interval_s: float = 1.0
    now: int = 1_000 * NS
    dead: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.reader = self.fake.reader()
        self.watcher = Watcher(
            FoundPublisher(10, self.reader),
            interval_s=self.interval_s,
            clock=lambda: self.now,
            wall=lambda: self.now / NS,
            is_alive=lambda pid: pid not in self.dead,
        )

    def pass_s(self, seconds: float) -> None:
        """So much later it looks again."""
        self.now += int(seconds * NS)
        self.watcher.look()


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene(FakeSegment())
    yield scene
    scene.fake.close()


def ids(frame: Frame) -> list[int]:
    return [one.statistics.id for one in frame.subscribers]


def test_a_first_look_has_no_rates(scene: Scene) -> None:
    scene.fake.fill([1])
    frame = scene.watcher.frame(Wanted())

    assert frame.publisher.rates.published is None
    assert frame.workers[0].messages_per_s is None


def test_rates_are_over_a_second_however_often_it_looks(scene: Scene) -> None:
    scene.fake.fill([1])
    scene.watcher.look()
    for tenth in range(1, 31):
        scene.fake.workers[0].sent = 10 * tenth
        scene.fake.log.publish(b"topic", b"payload")
        scene.pass_s(0.1)
    frame = scene.watcher.frame(Wanted())

    assert frame.workers[0].messages_per_s == pytest.approx(100)
    assert frame.publisher.rates.published == pytest.approx(10)
    assert len(scene.watcher._readings) <= 11


def test_rates_of_many_are_over_longer(scene: Scene) -> None:
    """A worker writes down thousands of figures in rounds that take a second."""
    scene.fake.workers[0].subscribers = 20_000
    for _ in range(100):
        scene.pass_s(0.5)
    oldest, newest = scene.watcher._readings[0], scene.watcher._readings[-1]

    assert 5 <= (newest.now - oldest.now) / NS <= 7


def test_worker_and_publisher_figures(scene: Scene) -> None:
    scene.fake.fill([1])
    for _ in range(4):
        scene.fake.log.publish(b"topic", b"payload")
    worker = scene.fake.workers[1]
    worker.front, worker.load, worker.heartbeat, worker.tail = 3, 250, scene.now - NS, 2
    scene.fake.header.heartbeat = scene.now - 3 * NS
    frame = scene.watcher.frame(Wanted())

    assert (frame.publisher.name, frame.publisher.pid) == ("ticks", 10)
    assert frame.publisher.state == "serving"
    assert frame.publisher.heartbeat_age_s == 3.0
    assert frame.publisher.log_used_bytes == scene.fake.log.writer.position // 2
    assert (frame.workers[1].behind, frame.workers[1].heartbeat_age_s) == (1, 1.0)
    assert frame.workers[0].heartbeat_age_s is None


def test_sorted_filtered_and_cut(scene: Scene) -> None:
    scene.fake.fill([4, 2, 9, 7])
    scene.fake.connect(5, 4, peer="192.0.2.1:8")

    assert ids(scene.watcher.frame(Wanted())) == [2, 4, 5, 7, 9]
    scene.watcher.look()
    by_id = Wanted(sort=BY_NAME["id"], descending=True)
    assert ids(scene.watcher.frame(by_id)) == [9, 7, 5, 4, 2]
    frame = scene.watcher.frame(Wanted(rows=2, first=1))
    assert (ids(frame), list(frame.order), frame.first) == ([4, 5], [2, 4, 5, 7, 9], 1)
    assert ids(scene.watcher.frame(Wanted(filter="192.0"))) == [5]
    assert ids(scene.watcher.frame(Wanted(rows=2, selected=9))) == [7, 9]
    assert scene.watcher.frame(Wanted(rows=0)).subscribers == []


def test_of_a_thousand_only_those_on_the_screen_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(FakeSegment(1_024))
    scene.fake.fill(range(1_000, 0, -1))
    read: list[int] = []
    subscribers = scene.reader.subscribers
    whole = Card.read

    def seen(slots: object) -> object:
        chosen = list(slots)  # type: ignore[call-overload]
        read.extend(chosen)
        return subscribers(chosen)

    cards: list[Card] = []

    def counted(card: Card) -> Identity | None:
        cards.append(card)
        return whole(card)

    monkeypatch.setattr(scene.reader, "subscribers", seen)
    monkeypatch.setattr(Card, "read", counted)
    frame = scene.watcher.frame(Wanted(sort=BY_NAME["queued"], rows=20, selected=500))

    assert len(frame.order) == 1_000
    assert ids(frame) == list(range(481, 501))
    assert len(read) == 20
    assert len(cards) == 40  # once for its texts, once for its figures
    monkeypatch.undo()
    everybody = scene.watcher.frame(Wanted(sort=BY_NAME["peer"]))
    assert sorted(ids(everybody)) == list(range(1, 1_001))
    scene.fake.close()


def test_who_leaves_between_the_look_and_the_frame_is_not_shown(scene: Scene) -> None:
    scene.fake.fill([1, 2])
    scene.watcher.look()
    Card(scene.fake.segment, 0).free()
    scene.fake.connect(3, 1)

    frame = scene.watcher.frame(Wanted())

    assert ids(frame) == []
    assert scene.watcher.subscriber(1) is None
    assert scene.watcher.end_of(1) == ""


def test_one_by_its_id(scene: Scene) -> None:
    scene.fake.fill([1, 2])
    scene.watcher.look()
    one = scene.watcher.subscriber(2)
    assert one is not None
    assert (one.statistics.id, one.connected_s) == (2, 1_000.0 - 1e-9)
    assert scene.watcher.subscriber(99) is None


def test_a_publisher_that_ends_is_an_error_at_each_call(scene: Scene) -> None:
    scene.fake.fill([1])
    scene.watcher.look()
    scene.fake.segment.discard()

    with pytest.raises(ClosedError):
        scene.watcher.look()
    with pytest.raises(ClosedError):
        scene.watcher.frame(Wanted())


def test_a_process_that_is_gone_has_no_publisher(scene: Scene) -> None:
    scene.watcher.look()
    scene.dead.add(10)
    with pytest.raises(ClosedError, match="process 10 is gone"):
        scene.watcher.look()
