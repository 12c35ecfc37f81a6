"""The thread that writes on the screen: what it says, when, and when no more."""

from __future__ import annotations

import threading
import time

from fanout.cli.serve.items import BadInput
from fanout.cli.serve.lines import Figures
from fanout.cli.serve.screen_writer import ScreenWriter
from fanout.errors import ClosedError
from tests.helpers.fake_publisher import statistics
from tests.helpers.waiting import DEADLINE_S


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


def test_it_reports_without_being_asked() -> None:
    screen = WaitingScreen()
    numbers = iter(range(1_000_000))

    def take() -> Figures:
        return Figures(next(numbers), statistics(), (), 0)

    writer = ScreenWriter(screen, interval_s=0.001, unit="line")
    writer.start(take)
    assert screen.status_came.wait(DEADLINE_S)
    writer.stop()
    assert screen.lines[0].startswith("published 0/s")


def test_without_an_interval_only_lines_are_printed() -> None:
    screen = WaitingScreen()
    writer = ScreenWriter(screen, interval_s=0, unit="item")
    writer.start(lambda: Figures(time.monotonic(), statistics(), (), 0))
    writer.bad_input(BadInput(1_234, "no good"))
    writer.stop()
    assert screen.lines == ["item 1,234: no good"]


def test_a_publisher_that_is_gone_ends_the_reports_and_nothing_else() -> None:
    screen = WaitingScreen()
    gone = threading.Event()

    def take() -> Figures:
        gone.set()
        raise ClosedError("closed")

    writer = ScreenWriter(screen, interval_s=0.001, unit="line")
    writer.start(take)
    assert gone.wait(DEADLINE_S)
    writer.bad_input(BadInput(1, "no good"))
    writer.stop()
    assert screen.lines == ["line 1: no good"]
