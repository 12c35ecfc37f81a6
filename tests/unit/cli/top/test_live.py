"""The live table, with a screen, keys and a clock of the test's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.basics.units import NS
from fanout.cli.top.choosing import NoPublisher
from fanout.cli.top.columns import BY_NAME
from fanout.cli.top.figures import EndFigures, Frame, SubscriberFigures
from fanout.cli.top.live import LiveTable
from fanout.cli.top.view import View
from fanout.cli.top.watching import Watcher
from fanout.observe.publishers import FoundPublisher
from fanout.shm.layout import CLOSED_ENTRIES
from tests.helpers.fake_segment import FakeSegment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Script:
    """Keys, screen and clock: what is pressed at each wait, and what was drawn before it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.steps: list[list[str] | Callable[[], list[str]]] = []
        self.frames: list[Frame] = []
        self.views: list[View] = []
        self.selected: list[SubscriberFigures | EndFigures | str] = []
        self.problems: list[str] = []
        self.timeouts: list[float | None] = []
        self.calls: list[str] = []

    def wait(self, timeout_s: float | None) -> list[str]:
        self.timeouts.append(timeout_s)
        step = self.steps.pop(0) if self.steps else ["quit"]
        if callable(step):
            return step()
        if not step and timeout_s is not None:
            self.now += timeout_s
        return step

    def rows(self, workers: int) -> int:
        return 3

    def draw(
        self,
        frame: Frame,
        view: View,
        selected: SubscriberFigures | EndFigures | str,
        problem: str,
    ) -> None:
        self.frames.append(frame)
        self.views.append(view)
        self.selected.append(selected)
        self.problems.append(problem)

    def suspend(self) -> None:
        self.calls.append("suspend")

    def resume(self) -> None:
        self.calls.append("resume")

    @property
    def shown(self) -> list[list[int]]:
        """The ids on the screen, each time."""
        return [[one.statistics.id for one in frame.shown] for frame in self.frames]


@pytest.fixture
def fake() -> Iterator[FakeSegment]:
    fake = FakeSegment()
    fake.fill([3, 1, 2, 9, 5])
    yield fake
    fake.close()


def run(fake: FakeSegment, script: Script, *steps: list[str] | Callable[[], list[str]]) -> int:
    watcher = Watcher(
        FoundPublisher(10, fake.reader()),
        interval_s=1.0,
        clock=lambda: int(script.now * NS),
        wall=lambda: script.now,
        is_alive=lambda pid: True,
    )
    script.steps = list(steps)
    view = View(BY_NAME["id"], descending=False)
    return LiveTable(
        watcher,
        view,
        script,
        script,
        stop=lambda: script.calls.append("stop"),
        clock=lambda: script.now,
    ).run()


def test_it_looks_again_when_the_interval_is_over(fake: FakeSegment) -> None:
    script = Script()

    def publish() -> list[str]:
        fake.log.publish(b"topic", b"payload")
        script.now += 1.0
        return []

    assert run(fake, script, publish, []) == 0
    assert [frame.publisher.statistics.published for frame in script.frames] == [0, 1, 1]
    assert script.frames[1].publisher.rates.published == 1.0
    assert script.timeouts == [1.0, 1.0, 1.0]


def test_keys_act_at_once_and_do_not_hasten_the_next_look(fake: FakeSegment) -> None:
    script = Script()
    run(fake, script, ["I"], ["down", "down", "down", "down"])
    assert script.shown == [[1, 2, 3], [9, 5, 3], [5, 3, 2]]
    assert script.views[-1].selected == 2
    assert script.frames[-1].publisher.rates.published is None
    assert script.timeouts == [1.0, 1.0, 1.0]


def test_pausing_shows_what_was_there(fake: FakeSegment) -> None:
    script = Script()

    def more() -> list[str]:
        fake.log.publish(b"topic", b"payload")
        script.now += 60
        return ["I"]

    run(fake, script, [" "], more, [" "], [])
    assert [frame.publisher.statistics.published for frame in script.frames] == [0, 0, 0, 1, 1]
    assert script.shown == [[1, 2, 3], [1, 2, 3], [1, 2, 3], [9, 5, 3], [9, 5, 3]]
    assert script.timeouts[1:3] == [None, None]


def test_details_are_live_and_say_why_somebody_left(fake: FakeSegment) -> None:
    script = Script()

    def count() -> list[str]:
        fake.count(1, sent=70, matched=70)
        return ["redraw"]

    def leave() -> list[str]:
        from fanout.shm.cards import Card

        Card(fake.segment, 1).free()
        script.now += 1
        return []

    run(fake, script, ["down"], ["enter"], count, leave)
    first, second, gone = script.selected[-3:]
    assert isinstance(first, SubscriberFigures)
    assert isinstance(second, SubscriberFigures)
    assert (first.statistics.sent, second.statistics.sent, gone) == (1, 70, "it has left")


def test_while_paused_details_are_of_who_is_on_the_screen(fake: FakeSegment) -> None:
    script = Script()
    run(fake, script, [" "], ["end"], ["enter"])
    selected = script.selected[-1]
    assert isinstance(selected, SubscriberFigures)
    assert selected.statistics.id == script.views[-1].selected == 3


def test_a_publisher_that_ends_leaves_its_last_figures(fake: FakeSegment) -> None:
    script = Script()

    def end() -> list[str]:
        fake.segment.discard()
        script.now += 1
        return []

    assert run(fake, script, end, ["down"], ["q"]) == 0
    assert script.problems[0] == ""
    assert "has ended" in script.problems[-1]
    assert script.shown[-1] == [1, 2, 3]
    assert script.timeouts[1:] == [None, None]


def test_one_that_has_ended_before_is_an_error(fake: FakeSegment) -> None:
    reader = fake.reader()
    fake.segment.discard()
    watcher = Watcher(
        FoundPublisher(10, reader),
        interval_s=1,
        clock=lambda: 1,
        wall=lambda: 1.0,
        is_alive=lambda _: True,
    )
    script = Script()
    view = View(BY_NAME["id"], descending=False)
    with pytest.raises(NoPublisher, match="ended"):
        LiveTable(watcher, view, script, script, stop=lambda: None).run()


def test_in_the_background_the_terminal_is_as_it_was(fake: FakeSegment) -> None:
    script = Script()
    run(fake, script, ["stop"])
    assert script.calls == ["suspend", "suspend", "stop", "resume", "resume"]


def test_the_pace_is_that_of_the_view(fake: FakeSegment) -> None:
    script = Script()
    run(fake, script, ["-"], [], [])
    assert script.timeouts == [1.0, 1.0, 2.0, 2.0]


def test_those_who_ended_come_live_the_newest_first(fake: FakeSegment) -> None:
    script = Script()
    for subscriber in (21, 22):
        fake.end(subscriber)

    def more() -> list[str]:
        fake.end(23)
        return ["redraw"]

    run(fake, script, ["c"], more, ["down", "down"], ["enter"], ["c"])
    assert script.shown == [
        [1, 2, 3],
        [22, 21],
        [23, 22, 21],
        [23, 22, 21],
        [23, 22, 21],
        [1, 2, 3],
    ]
    assert script.frames[3].order == [23, 22, 21]
    end = script.selected[4]
    assert isinstance(end, EndFigures)
    assert (end.number, end.statistics.id, end.statistics.dropped) == (2, 22, 3)


@pytest.mark.unmeasured
def test_the_figures_of_one_that_ended_are_not_kept_for_ever(fake: FakeSegment) -> None:
    script = Script()
    fake.end(21)

    def many() -> list[str]:
        for subscriber in range(100, 100 + CLOSED_ENTRIES):
            fake.end(subscriber)
        return ["redraw"]

    run(fake, script, ["c"], ["down"], ["enter"], many)
    assert isinstance(script.selected[3], EndFigures)
    assert "not kept" in str(script.selected[4])
    assert len(script.frames[4].order) == CLOSED_ENTRIES
