"""`fanout top` beside a real publisher: asked nothing, stopped, ended, and not to be written to."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import mmap
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from fanout.observe.attach import attach, find
from fanout.observe.publishers import publishers
from tests.helpers.collecting import Collector
from tests.helpers.command import ROOT
from tests.helpers.programs import Program, paused
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A publisher that publishes for ever, and ends when its input does.
SERVE = """
import sys, threading
from fanout import Publisher
publisher = Publisher("tcp://127.0.0.1:*", workers=2, log_bytes=1 << 20, name=sys.argv[1])
print(publisher.endpoints[0])
ending = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ending.set()), daemon=True).start()
while not ending.wait(0.01):
    for number in range(10):
        publisher.publish(b"topic", b"payload")
publisher.close()
print("closed")
"""

CPU_MAX_S = 0.6  # of one `fanout top --once`


class Served:
    """A publisher in a process of its own, with a name that no other test gives."""

    def __init__(self, program: Program, name: str) -> None:
        self.program = program
        self.name = name
        self.pid = program.process.pid
        self.endpoint = program.line()

    def close(self) -> None:
        assert self.program.finish()[0].endswith("closed\n")


@contextmanager
def serving(folder: Path, name: str) -> Iterator[Served]:
    with Program(["-c", SERVE, name], folder) as program:
        yield Served(program, name)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One for all tests: to look at it does nothing to it."""
    with serving(tmp_path_factory.mktemp("served"), f"top-{os.getpid()}") as served:
        yield served
        served.close()


def top(*arguments: str, status: int = 0) -> tuple[str, str]:
    """What the command prints, and what it complains."""
    done = subprocess.run(
        [sys.executable, "-m", "fanout", "top", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == status, (done.stdout, done.stderr)
    return done.stdout, done.stderr


def once(served: Served, *arguments: str) -> Any:
    return json.loads(top("--json", "--once", "--pid", str(served.pid), *arguments)[0])


def state_of(pid: int) -> str:
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0]


def has_got_some(served: Served) -> bool:
    shown = once(served, "--interval", "0")["subscribers"]
    return bool(shown) and shown[0]["sent"] > 0


def test_a_publisher_that_is_stopped_is_shown_and_not_waited_for(served: Served) -> None:
    with Collector(served.endpoint, b"topic"):
        wait_until(lambda: has_got_some(served), "somebody is there")
        with paused(served.pid):
            wait_until(lambda: state_of(served.pid) == "T", "it is stopped")
            # With an interval of 0 it waits for nothing by itself; with the default for 0.3 s.
            at_once = once(served, "--interval", "0")
            before = os.times()
            shown = once(served)
            after = os.times()
            assert state_of(served.pid) == "T", "the answers came while it was stopped"
        # It answers within a second: what it computes, and the 0.3 s that it waits. A busy machine
        # makes the clock's second longer, but not this.
        taken = after.children_user + after.children_system
        taken -= before.children_user + before.children_system
        assert taken < CPU_MAX_S
        assert at_once["subscribers"][0]["sent"] > 0
        assert at_once["publisher"]["messages_per_s"] is None
        (one,) = shown["subscribers"]
        assert one["sent"] > 0
        assert one["policy"] == "drop_oldest"
        assert shown["publisher"]["name"] == served.name
        assert shown["publisher"]["messages_per_s"] == 0


def test_it_is_found_by_its_name_and_by_a_worker_of_it(served: Served) -> None:
    wait_until(lambda: len(attach(served.pid).workers()) == 2, "it has workers")
    (found,) = [one for one in publishers() if one.name == served.name]
    assert found.pid == served.pid
    workers = {row.pid for row in attach(served.pid).workers()}
    wait_until(lambda: workers <= next(iter(publishers([served.pid, *workers]))).pids, "all hold")

    for choice in (["--name", served.name], ["--pid", str(min(workers))]):
        text, _ = top("--once", "--interval", "0", *choice)
        assert text.startswith(f"{served.name} (process {served.pid}): ")


def test_csv_for_each_subscriber(served: Served) -> None:
    with ExitStack() as stack:
        for topic in (b"topic", b"other"):
            stack.enter_context(Collector(served.endpoint, topic))
        wait_until(
            lambda: {bool(one["rate"]) for one in once(served)["subscribers"]} == {True, False},
            "both are there, and one has a rate",
        )

        def first_row() -> dict[str, str] | None:
            """That of who is sent most, if anybody was sent something just then."""
            text, _ = top("--csv", "--once", "--name", served.name, "--rows", "1", "--sort", "rate")
            (row,) = csv.DictReader(io.StringIO(text))
            return row if int(row["rate"]) > 0 else None

        wait_until(first_row, "who has a rate comes first")


def test_who_has_left_is_among_those_who_ended(served: Served) -> None:
    with Collector(served.endpoint, b"topic") as collector:
        collector.wait_for(3)

    def ended() -> Any:
        return once(served, "--closed", "--interval", "0", "--filter", "left", "--rows", "1")[
            "ended"
        ]

    wait_until(ended, "its end is booked")
    with paused(served.pid):
        (one,) = ended()
    assert (one["cause"], one["exact"], one["policy"]) == ("left", True, "drop_oldest")
    assert one["sent"] >= 3
    assert one["matched"] == one["sent"] + one["discarded"]
    assert one["number"] >= 1


def test_who_watches_is_told_that_it_ended(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fanout", "top", "--json", "--interval", "0.1"]
    with (
        serving(tmp_path, "ending") as ending,
        subprocess.Popen(
            [*command, "--pid", str(ending.pid)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["publisher"]["pid"] == ending.pid
        ending.close()
        output, errors = process.communicate(timeout=DEADLINE_S)
    assert all(json.loads(line)["schema"] == 1 for line in output.splitlines())
    assert process.returncode == 0
    assert errors.startswith("fanout top: ")
    assert errors.count("\n") == 1


def test_nobody_there_is_one_line_and_status_1() -> None:
    # Not this process: what other tests have left may still wait to be collected.
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        for choice, words in (
            (["--name", "nobody-has-this-name"], "no publisher is named 'nobody-has-this-name'"),
            (["--pid", str(other.pid)], "has no publisher"),
            (["--pid", str(1 << 30)], "there is no process"),
        ):
            output, errors = top("--once", *choice, status=1)
            assert (output, errors.count("\n")) == ("", 1)
            assert words in errors
        other.communicate(b"\n")


def test_the_live_table_is_for_a_terminal() -> None:
    told = top("--name", "anybody", status=2)[1]
    for words in ("needs a terminal, and rich", "fanout-zmq[live]", "--once, --json or --csv"):
        assert words in told


def maps_of_logs() -> set[str]:
    with open("/proc/self/maps", encoding="utf-8") as file:
        return {line for line in file if "memfd:fanout-log" in line}


def test_what_it_maps_can_be_read_only(served: Served) -> None:
    """The publisher's memory is writable for its user: it is for us to not be able to."""
    before = maps_of_logs()  # of publishers in this process
    reader = attach(served.pid)
    with pytest.raises(TypeError, match="read-only"):
        reader._segment.words[0] = 1
    with pytest.raises(TypeError, match="read"):
        reader._segment.map[0] = 1
    modes = {line.split()[1] for line in maps_of_logs() - before}
    assert modes == {"r--s"}
    (path,) = find(served.pid)
    descriptor = os.open(path, os.O_RDONLY)
    with pytest.raises(PermissionError):
        mmap.mmap(descriptor, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    os.close(descriptor)


class Terminal:
    """The command in a terminal of its own.

    Attributes:
        text: all that it has drawn so far, without colours and moves.
    """

    def __init__(self, *arguments: str) -> None:
        self._fd, inner = pty.openpty()
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 140, 0, 0))
        self.modes = termios.tcgetattr(inner)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fanout", "top", *arguments],
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "140", "LINES": "30"},
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
        )
        self.inner = inner
        self.raw = b""

    @property
    def text(self) -> str:
        drawn = self.raw.decode("utf-8", "ignore")
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn)

    def press(self, keys: str, *words: str) -> str:
        """Press these; returns what is drawn afterwards, once it has all these words."""
        self.raw = b""
        os.write(self._fd, keys.encode())

        def drawn() -> bool:
            self._read()
            return all(word in self.text for word in words)

        wait_until(drawn, f"{words} after {keys!r}")
        return self.text

    def end(self) -> int:
        """Waits for its end; returns its exit status."""

        def ended() -> bool:
            self._read()
            return self.process.poll() is not None

        wait_until(ended, "it ends")
        self._read()
        return self.process.returncode

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._fd)
        os.close(self.inner)

    def _read(self) -> None:
        while select.select([self._fd], [], [], 0)[0]:
            self.raw += os.read(self._fd, 65_536)


def test_keys_drive_the_live_table(served: Served) -> None:
    pytest.importorskip("rich")
    with Collector(served.endpoint, b"topic"):
        wait_until(lambda: once(served, "--interval", "0")["subscribers"], "somebody is there")
        terminal = Terminal("--pid", str(served.pid), "--interval", "0.2")
        try:
            terminal.press("", f"{served.name} (process {served.pid})", "127.0.0.1:", "Queued ▼")
            terminal.press("R", "Rate ▼", "1-1 of 1 subscriber")
            terminal.press("R", "Rate ▲")
            terminal.press("/no such", "filter: no such", "Rate ▲")
            terminal.press("\x15127.0", "filter: 127.0█")
            terminal.press("\r", "filter '127.0'", "1-1 of 1 subscriber")
            terminal.press("\x1b[B\r", "rate_bytes", "connected_s")
            terminal.press("\x1b\x1bc", "Ago", "that ended, c for those that are there")
            terminal.press("c", "1-1 of 1 subscriber   each")
            terminal.press(" ", "PAUSED")
            os.kill(terminal.process.pid, signal.SIGTSTP)
            wait_until(lambda: state_of(terminal.process.pid) == "T", "it is in the background")
            assert termios.tcgetattr(terminal.inner)[3] == terminal.modes[3]
            os.kill(terminal.process.pid, signal.SIGCONT)
            terminal.press("?", "all figures of the selected one")
            terminal.press("q")
            assert terminal.end() == 0
            assert termios.tcgetattr(terminal.inner) == terminal.modes
            assert b"\x1b[?1049l" in terminal.raw, "the screen before it is back"
        finally:
            terminal.close()


def test_a_signal_ends_the_live_table_and_leaves_the_terminal_as_it_was(served: Served) -> None:
    pytest.importorskip("rich")
    terminal = Terminal("--pid", str(served.pid))
    try:
        terminal.press("", "subscribers   each 1 s")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.end() == 0
        assert termios.tcgetattr(terminal.inner) == terminal.modes
    finally:
        terminal.close()
