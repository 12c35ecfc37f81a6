"""The command without a terminal: what it prints, and how it ends."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from fanout.basics.units import NS
from fanout.cli.arguments import FAILURE, OK, USAGE
from fanout.cli.main import build_parser, main
from fanout.cli.top import command
from fanout.cli.top.choosing import NoPublisher
from fanout.cli.top.command import find, print_looks, view_of, wanted_of
from fanout.cli.top.watching import Watcher
from fanout.observe.publishers import FoundPublisher
from tests.helpers.fake_segment import FakeSegment

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator


class Terminal(io.StringIO):
    """A text that takes itself for a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def fake() -> Iterator[FakeSegment]:
    previous = signal.getsignal(signal.SIGTERM)
    fake = FakeSegment()
    fake.fill([3, 1])
    yield fake
    fake.close()
    signal.signal(signal.SIGTERM, previous)


def parsed(*line: str) -> Namespace:
    return build_parser().parse_args(["top", *line])


def run(
    fake: FakeSegment,
    arguments: Namespace,
    output: io.TextIOBase,
    sleep: Callable[[float], object] = lambda seconds: None,
    interval_s: float = 1.0,
) -> int:
    clock = iter(range(NS, 1_000 * NS, NS))
    watcher = Watcher(
        FoundPublisher(10, fake.reader()),
        interval_s=interval_s,
        clock=lambda: next(clock),
        wall=lambda: 5.0,
        is_alive=lambda pid: True,
    )
    return print_looks(arguments, watcher, interval_s, output, sleep)  # type: ignore[arg-type]


def test_once_has_rates_after_an_interval_and_none_without(fake: FakeSegment) -> None:
    slept: list[float] = []
    output = io.StringIO()
    assert run(fake, parsed("--once", "--json"), output, slept.append) == OK
    assert run(fake, parsed("--once", "--json"), output, slept.append, interval_s=0) == OK
    with_rates, without = map(json.loads, output.getvalue().splitlines())

    assert slept == [1.0]
    assert with_rates["publisher"]["messages_per_s"] == 0.0
    assert without["publisher"]["messages_per_s"] is None
    assert [one["id"] for one in without["subscribers"]] == [1, 3]


def test_it_prints_until_the_publisher_ends(
    fake: FakeSegment, capsys: pytest.CaptureFixture[str]
) -> None:
    intervals = iter([lambda: None, lambda: None, fake.segment.discard])
    output = io.StringIO()

    assert run(fake, parsed("--csv"), output, lambda _s: next(intervals)()) == OK
    lines = output.getvalue().splitlines()
    assert len(lines) == 1 + 2 * 2
    assert lines[0].startswith("time,id,")
    assert "has ended" in capsys.readouterr().err


def test_a_publisher_that_ends_before_is_a_failure(fake: FakeSegment) -> None:
    fake.segment.discard()
    with pytest.raises(NoPublisher):
        run(fake, parsed("--once"), io.StringIO())


def test_a_signal_ends_it_well_once_something_is_printed(fake: FakeSegment) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(fake, parsed("--json"), io.StringIO(), interrupt)
    naps = iter((False, True))

    def end(_seconds: float) -> None:
        if next(naps):
            os.kill(os.getpid(), signal.SIGTERM)

    assert run(fake, parsed("--json"), io.StringIO(), end) == OK


def test_nobody_who_reads_is_a_good_end(fake: FakeSegment) -> None:
    read_fd, write_fd = os.pipe()
    os.close(read_fd)
    with os.fdopen(write_fd, "w") as output:
        assert run(fake, parsed("--json"), output) == OK


def test_programs_get_subscribers_by_id_and_people_the_worst_first() -> None:
    assert wanted_of(parsed("--json"), None).sort is None
    worst = wanted_of(parsed("--once"), 5)
    assert worst.sort is not None
    assert (worst.sort.name, worst.descending, worst.rows) == ("queued", True, 5)
    assert not wanted_of(parsed("--csv", "--sort", "lost", "--reverse"), None).descending
    assert view_of(parsed("--sort", "peer", "--reverse"), 2.0).descending


def test_without_rich_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "fanout.cli.top.screen", None)
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert main(["top"]) == FAILURE
    assert "pip install 'fanout-zmq[live]'" in capsys.readouterr().err


def test_the_live_table_needs_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top"]) == USAGE
    assert "add --once, --json or --csv" in capsys.readouterr().err


def test_of_several_publishers_of_a_process_the_workers_are_looked_for_too(
    fake: FakeSegment, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = os.getpid()

    def publishers(pids: tuple[int, ...] | None = None) -> list[FoundPublisher]:
        workers = (11, 12) if pids is None else ()
        held = [frozenset({mine, *workers[at : at + 1]}) for at in (0, 1)]
        return [FoundPublisher(mine, fake.reader(), pids=one) for one in held]

    monkeypatch.setattr(command, "publishers", publishers)
    assert [one.pids for one in find(parsed("--pid", str(mine)))] == [{mine, 11}, {mine, 12}]


def test_each_end_is_printed_once(fake: FakeSegment) -> None:
    fake.end(7)
    fake.end(8)
    more = iter([lambda: None, lambda: fake.end(9), fake.segment.discard])
    output = io.StringIO()
    assert run(fake, parsed("--json", "--closed"), output, lambda _s: next(more)()) == OK
    looks = [json.loads(line)["ended"] for line in output.getvalue().splitlines()]
    assert [[one["id"] for one in ends] for ends in looks] == [[7, 8], [9]]


def test_once_the_last_of_those_who_ended(fake: FakeSegment) -> None:
    for subscriber in (7, 8, 9):
        fake.end(subscriber)
    output = io.StringIO()
    arguments = parsed("--once", "--closed", "--csv", "--rows", "2")
    assert run(fake, arguments, output, interval_s=0) == OK
    assert [line.split(",")[2] for line in output.getvalue().splitlines()] == ["id", "8", "9"]
    filtered = io.StringIO()
    arguments = parsed("--once", "--closed", "--json", "--filter", "left 10.0.0.1:8")
    assert run(fake, arguments, filtered, interval_s=0) == OK
    assert [one["id"] for one in json.loads(filtered.getvalue())["ended"]] == [8]
    assert view_of(parsed("--closed"), 1.0).ended


@pytest.mark.parametrize("option", [["--sort", "lost"], ["--reverse"]])
def test_those_who_ended_have_an_order_of_their_own(
    option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["top", "--closed", "--once", *option]) == USAGE
    assert f"{option[0]} is for subscribers" in capsys.readouterr().err
