"""Standard error: lines that stay, a line that is live, and streams that fail."""

from __future__ import annotations

import io

from fanout.cli.serve.screen import PlainScreen, open_screen

CLEAR = "\r\x1b[K"


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
