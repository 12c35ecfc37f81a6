"""Topics of a log that is a list, counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.answers import survey as surveys
from fanout.answers.survey import Surveyor
from fanout.terms.question_terms import STRIDE, SURVEY_S, SURVEY_WORK_S
from tests.helpers.asked import FakeClock, FakeView, FakeWatch

if TYPE_CHECKING:
    import pytest


def made(view: FakeView, watch: FakeWatch | None = None) -> surveys.Survey:
    return Surveyor(view, FakeClock()).current(watch or FakeWatch())


def test_each_topic_is_there_once_with_its_last_message() -> None:
    view = FakeView(*([b"%d" % (n % 7), b""] for n in range(3 * STRIDE)), [b"alone"])
    watch = FakeWatch()
    survey = made(view, watch)
    assert {row.name: row.sequence for row in survey.rows} == {
        b"%d" % (n % 7): n for n in range(3 * STRIDE)
    }
    assert sum(row.messages for row in survey.rows) == 9, "of the last ten, one has no topic"
    assert (survey.first, survey.is_complete, watch.allowed) == (0, True, SURVEY_WORK_S)


def test_what_is_gone_is_not_counted() -> None:
    view = FakeView(*([b"%d" % n, b""] for n in range(20)))
    view.floor = 15
    survey = made(view)
    assert [row.name for row in survey.rows] == [b"%d" % n for n in range(15, 20)]
    assert (survey.first, survey.window) == (15, 5.0)


def test_a_log_that_is_overwritten_while_it_is_looked_at() -> None:
    class Going(FakeView):
        def topic_ids(self, first: int, stop: int) -> list[int]:
            found = super().topic_ids(first, stop)
            if first == STRIDE:
                self.floor = 2 * STRIDE + 5
            return found

    view = Going(*([b"%d" % n, b""] for n in range(3 * STRIDE)))
    survey = made(view)
    assert survey.first == 2 * STRIDE + 5
    names = [b"%d" % n for n in range(2 * STRIDE + 5, 3 * STRIDE)]
    assert [row.name for row in survey.rows] == names


def test_there_is_an_end_of_it() -> None:
    view = FakeView(*([b"%d" % n, b""] for n in range(3 * STRIDE)))
    assert not made(view, FakeWatch(0)).is_complete
    assert not made(view, FakeWatch(4)).is_complete
    assert made(view).is_complete


def test_the_newest_topics_are_kept_if_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surveys, "SURVEY_TOPICS_MAX", 100)
    view = FakeView(*([b"%d" % n, b""] for n in range(3 * STRIDE)))
    surveyor = Surveyor(view, FakeClock())
    survey = surveyor.current(FakeWatch())
    assert survey.first >= 2 * STRIDE
    assert [row.sequence for row in survey.rows] == list(range(survey.first, 3 * STRIDE))
    assert len(surveyor._names) <= 100


def test_names_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surveys, "SURVEY_TOPICS_MAX", 100)
    clock, view = FakeClock(), FakeView()
    surveyor = Surveyor(view, clock)
    for number in range(5):
        view.floor = view.head()
        for topic in range(60):
            view.publish(b"%d.%d" % (number, topic), b"")
        assert len(surveyor.current(FakeWatch()).rows) == 60
        assert len(surveyor._names) <= 100
        clock.now += SURVEY_S


def test_one_is_good_for_a_while_and_the_one_before_is_kept() -> None:
    clock, view = FakeClock(), FakeView([b"a", b""])
    surveyor = Surveyor(view, clock)
    first = surveyor.current(FakeWatch())
    assert surveyor.current(FakeWatch()) is first
    clock.now += SURVEY_S
    second = surveyor.current(FakeWatch())
    assert second is not first
    assert (surveyor.find(first.number), surveyor.find(second.number)) == (first, second)
    clock.now += SURVEY_S
    surveyor.current(FakeWatch())
    assert surveyor.find(first.number) is None
    assert surveyor.find(second.number) is second


def test_names_are_read_once() -> None:
    clock, view = FakeClock(), FakeView(*([b"%d" % (n % 3), b""] for n in range(100)))
    surveyor = Surveyor(view, clock)
    surveyor.current(FakeWatch())
    clock.now += SURVEY_S
    assert len(surveyor.current(FakeWatch()).rows) == 3
    assert view.reads == 3


def test_a_topic_that_has_got_another_number_is_one() -> None:
    class Renumbered(FakeView):
        def topic_ids(self, first: int, stop: int) -> list[int]:
            return [8 if first + n < 6 else 9 for n in range(stop - first)]

    view = Renumbered(*([b"a", b""] for _ in range(12)))
    [row] = made(view).rows
    assert (row.sequence, row.messages) == (11, 10)
