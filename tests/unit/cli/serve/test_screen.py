"""Standard error: lines that stay, a line that is live, and streams that fail."""

from __future__ import annotations

import io
import threading
import time

from fanout.cli.serve.formats import BadInput
from fanout.cli.serve.report import Snapshot
from fanout.cli.serve.reporter import Reporter
from fanout.cli.serve.screen import PlainScreen, open_screen
from fanout.errors import ClosedError
from tests.helpers.fake_publisher import statistics

CLEAR = "\r\x1b[K"
DEADLINE_S = 20.0


class BrokenStream(io.StringIO):
    """A pipe whose reader is gone."""

    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        raise BrokenPipeError


def test_a_line_goes_above_the_live_one() -> None:
    stream = io.StringIO()
    screen = PlainScreen(stream, live=True)
    screen.status("1/s")
    screen.line("slow")
    screen.close()
    assert stream.getvalue() == f"{CLEAR}1/s{CLEAR}slow\n1/s{CLEAR}"


def test_without_a_terminal_everything_is_a_line() -> None:
    stream = io.StringIO()
    screen = open_screen(stream)
    screen.line("bound")
    screen.status("1/s")
    screen.close()
    assert stream.getvalue() == "bound\n1/s\n"


def test_a_broken_stream_is_written_to_once() -> None:
    stream = BrokenStream()
    screen = PlainScreen(stream, live=False)
    screen.line("a")
    screen.line("b")
    screen.close()
    assert stream.writes == 1


class WaitingScreen:
    """Keeps what is shown; tells when a status came."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.status_came = threading.Event()

    def line(self, text: str) -> None:
        self.lines.append(text)

    def status(self, text: str) -> None:
        self.lines.append(text)
        self.status_came.set()

    def close(self) -> None:
        pass


def test_the_reporter_reports_without_being_asked() -> None:
    screen = WaitingScreen()
    numbers = iter(range(1_000_000))

    def take() -> Snapshot:
        return Snapshot(next(numbers), statistics(), (), 0)

    reporter = Reporter(screen, interval_s=0.001, unit="line")
    reporter.start(take)
    assert screen.status_came.wait(DEADLINE_S)
    reporter.stop()
    assert screen.lines[0].startswith("published 0/s")


def test_without_an_interval_only_lines_are_printed() -> None:
    screen = WaitingScreen()
    reporter = Reporter(screen, interval_s=0, unit="item")
    reporter.start(lambda: Snapshot(time.monotonic(), statistics(), (), 0))
    reporter.bad_input(BadInput(1_234, "no good"))
    reporter.stop()
    assert screen.lines == ["item 1,234: no good"]


def test_a_publisher_that_is_gone_ends_the_reports_and_nothing_else() -> None:
    screen = WaitingScreen()
    gone = threading.Event()

    def take() -> Snapshot:
        gone.set()
        raise ClosedError("closed")

    reporter = Reporter(screen, interval_s=0.001, unit="line")
    reporter.start(take)
    assert gone.wait(DEADLINE_S)
    reporter.bad_input(BadInput(1, "no good"))
    reporter.stop()
    assert screen.lines == ["line 1: no good"]
