"""Which publisher is meant."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from fanout.cli.arguments import UsageError
from fanout.cli.top.choosing import LISTED_MAX, NoPublisher, ask, candidates, the_only_one
from fanout.observe.publishers import FoundPublisher
from tests.helpers.fake_segment import FakeSegment

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def found() -> Iterator[list[FoundPublisher]]:
    fakes = [FakeSegment(1) for _ in range(3)]
    for fake, name in zip(fakes, ("ticks", "fx\x1b[2J", ""), strict=True):
        fake.header.name = name
    yield [
        FoundPublisher(pid, fake.reader(), pids=frozenset((pid, pid + 1)))
        for pid, fake in zip((10, 20, 30), fakes, strict=True)
    ]
    for fake in fakes:
        fake.close()


OTHER = FoundPublisher(40, None, "process 40: another layout", frozenset({40}))


def test_by_process_id_of_it_or_of_a_worker_and_by_name(found: list[FoundPublisher]) -> None:
    assert candidates(found, 20, None) == candidates(found, 21, None) == [found[1]]
    assert candidates(found, None, "ticks") == candidates(found, 10, "ticks") == [found[0]]
    assert candidates([*found, OTHER], None, None) == found


@pytest.mark.parametrize(
    ("pid", "name", "words"),
    [
        (None, "fxx", "those that are: 10 (ticks), 20 (fx\\x1b[2J); not read: process 40: another"),
        (99, None, "process 99 has no publisher"),
        (10, "fx", "process 10 has no publisher named 'fx'"),
        (40, None, "another layout"),
    ],
)
def test_none_fits(
    found: list[FoundPublisher], pid: int | None, name: str | None, words: str
) -> None:
    with pytest.raises(NoPublisher) as error:
        candidates([*found, OTHER], pid, name)
    assert words in str(error.value)


def test_of_those_that_cannot_be_read_one_stands_for_all() -> None:
    with pytest.raises(NoPublisher) as error:
        candidates([OTHER] * 3, None, "fx")
    assert str(error.value) == (
        "no publisher is named 'fx'; those that are: none; "
        "not read: process 40: another layout (and 2 more like that)"
    )


def test_there_is_none() -> None:
    with pytest.raises(NoPublisher, match="no publisher runs here"):
        candidates([], None, None)


def test_several_are_listed_for_who_cannot_be_asked(found: list[FoundPublisher]) -> None:
    assert the_only_one(found[:1]) is found[0]
    with pytest.raises(UsageError) as error:
        the_only_one(found)
    assert str(error.value) == (
        "there are 3 publishers, choose one with --pid or --name: 10 (ticks), 20 (fx\\x1b[2J), 30"
    )
    in_one = [FoundPublisher(10, one.reader) for one in found[:2]]
    with pytest.raises(UsageError, match="with --name: "):
        the_only_one(in_one)


def test_publishers_of_one_process_that_names_do_not_tell_apart_are_listed_by_a_worker(
    found: list[FoundPublisher],
) -> None:
    ticks, _, nameless = (one.reader for one in found)
    in_one = [
        FoundPublisher(10, reader, pids=frozenset({10, worker}))
        for reader, worker in ((ticks, 12), (ticks, 11), (nameless, 13))
    ]
    with pytest.raises(UsageError) as error:
        the_only_one(in_one)
    assert str(error.value) == (
        "there are 3 publishers, choose one with --pid and a worker's id: "
        "10 (ticks, worker 12), 10 (ticks, worker 11), 10 (worker 13)"
    )
    assert candidates(in_one, 11, None) == [in_one[1]], "which can be followed"


def test_a_publisher_with_a_process_of_its_own_is_listed_without_a_worker(
    found: list[FoundPublisher],
) -> None:
    in_one = [FoundPublisher(10, found[2].reader, pids=frozenset({10, one})) for one in (12, 13)]
    with pytest.raises(UsageError) as error:
        the_only_one([*in_one, found[1]])
    assert str(error.value) == (
        "there are 3 publishers, choose one with --pid, and a worker's id where one is listed: "
        "10 (worker 12), 10 (worker 13), 20 (fx\\x1b[2J)"
    )


def test_a_long_list_is_cut(found: list[FoundPublisher]) -> None:
    many = [FoundPublisher(pid, found[0].reader) for pid in range(LISTED_MAX + 5)]
    questions = io.StringIO()
    with pytest.raises(UsageError, match=r" and 5 more$"):
        the_only_one(many)
    assert ask(many, io.StringIO(f"{LISTED_MAX + 1}\n{LISTED_MAX}\n"), questions) is many[19]
    assert "and 5 more" in questions.getvalue()


def test_the_user_is_asked_until_the_answer_is_one(found: list[FoundPublisher]) -> None:
    questions = io.StringIO()

    chosen = ask(found, io.StringIO("no\n0\n4\n2\n"), questions)

    assert chosen is found[1]
    assert questions.getvalue().count("which one?") == 4
    assert "\x1b" not in questions.getvalue()
    assert "10       ticks" in questions.getvalue()


def test_no_answer_is_nobody(found: list[FoundPublisher]) -> None:
    assert ask(found, io.StringIO(), io.StringIO()) is None
    assert ask(found[:1], io.StringIO(), io.StringIO()) is found[0]


def test_who_has_ended_meanwhile_is_listed_as_such(found: list[FoundPublisher]) -> None:
    ended = FakeSegment(1)
    reader = ended.reader()
    ended.segment.discard()
    questions = io.StringIO()
    ask([found[0], FoundPublisher(50, reader)], io.StringIO("1\n"), questions)
    assert "it has ended" in questions.getvalue()
    ended.close()
