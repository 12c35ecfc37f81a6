"""The thread that reads producers is interrupted at every line, and what is true afterwards.

No memory, say. It ends then, and so do its connections; but whatever was read of a producer was
published once and in order, or is counted as dropped, the publisher works, and so does the next
`ingest()`.
"""

from __future__ import annotations

import gc
import sys
import threading
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from fanout import Publisher
from fanout.zmtp import encode_message
from fanout.zmtp.commands import ping
from tests.helpers.interrupting import PACKAGE, untraced
from tests.helpers.producing import Raw
from tests.helpers.programs import descriptors
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from fanout.ingress.loop import Loop
    from fanout.ingress.sources import Source

LINES_MAX = 5_000  # far more than there are
MESSAGES = [
    *(encode_message([b"a", b"%d" % number]) for number in range(20)),
    encode_message([b"new", b"x" * 300, b"y", b"z"]),
    encode_message([b"alone"]),
    encode_message([b"large", b"L" * 40_000]),  # more than a read
    encode_message([b"a", b"last"]),
]
BYTES = sum(map(len, MESSAGES))
PING = ping(b"context", 10)
SENT = b"".join((*MESSAGES[:10], PING, *MESSAGES[10:]))


class Lines:
    """Interrupts the threads that are started in its block, before a line that it has not yet.

    Attributes:
        done: lines that were interrupted.
        line: that which was last; None: there is none left.
    """

    def __init__(self, error: type[BaseException]) -> None:
        self.done: set[tuple[str, int]] = set()
        self.line: tuple[str, int] | None = None
        self._error = error

    @contextmanager
    def active(self) -> Iterator[None]:
        self.line = None
        before = threading.gettrace()
        threading.settrace(self._on_call)
        try:
            yield
        finally:
            threading.settrace(before)

    def _on_call(self, frame: FrameType, event: str, argument: object) -> Any:
        is_ours = frame.f_code.co_filename.startswith(PACKAGE)
        is_there = is_ours and threading.current_thread().name == "fanout-ingest"
        return self._on_line if is_there and self.line is None else None

    def _on_line(self, frame: FrameType, event: str, argument: object) -> Any:
        line = frame.f_code.co_filename, frame.f_lineno
        if event == "line" and self.line is None and line not in self.done:
            self.done.add(line)
            self.line = line
            raise self._error("meant")
        return self._on_line


# A connection that nobody has yet is closed with its last reference, which Python tells of.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_the_thread_is_interrupted_at_every_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)  # it is meant
    lines = Lines(MemoryError)
    with untraced(), Publisher(workers=1, log_bytes=1 << 22) as publisher:
        intake = publisher.ingest("ipc://*")
        publisher.stop_ingest(intake)
        end_thread(publisher)
        gc.collect()
        open_before = len(descriptors())
        for _ in range(LINES_MAX):
            run(publisher, lines)
            if lines.line is None:
                break
            gc.collect()
            # Another thread may have a file of /proc open at this very moment.
            wait_until(
                lambda: len(descriptors()) == open_before, f"nothing stays open: {lines.line}"
            )
    files = {name.removeprefix(PACKAGE) for name, _ in lines.done}
    assert files > {f"/ingress/{name}.py" for name in ("loop", "door", "poller", "splitting")}
    assert len(lines.done) > 200, "hardly anything was traced"
    assert sys.exc_info()[1] is None


def end_thread(publisher: Publisher) -> None:
    """The next `ingest()` starts a new one."""
    loop = publisher._engine.ingress._loop
    if loop is not None:
        loop.end(DEADLINE_S)
        loop.thread.join(DEADLINE_S)
        assert not loop.thread.is_alive()


def run(publisher: Publisher, lines: Lines) -> None:
    """One life of a thread, with an interruption."""
    head = publisher._engine.path.log.head
    intake = ""
    with lines.active(), suppress(Exception):
        intake = publisher.ingest("ipc://*")
    loop = publisher._engine.ingress._loop
    assert loop is not None
    sources, is_sent = list(loop.sources.values()), False
    if sources and intake:  # a thread that was interrupted may still be about to close them
        is_sent = produce(intake, loop, sources[0])
        with suppress(Exception):
            publisher.stop_ingest(intake)
    loop.end(DEADLINE_S)
    loop.thread.join(DEADLINE_S)
    assert not loop.thread.is_alive()
    publisher.recover()
    if is_sent:
        check(sources[0], publisher._engine.path.log.head - head, f"interrupted at {lines.line}")
    sequence = publisher.publish(b"works", b"")
    assert publisher._engine.path.log.head == sequence + 1
    publisher.stop_ingest(publisher.ingest("ipc://*"))
    end_thread(publisher)


def produce(intake: str, loop: Loop, source: Source) -> bool:
    """Send all at once, if the handshake is done; wait until it is published or lost.

    The thread waits meanwhile: so all of it is there to be read, or to be counted.
    """
    may_read = threading.Event()
    with ExitStack() as stack, suppress(OSError, AssertionError):
        stack.callback(may_read.set)
        raw = stack.enter_context(Raw(intake))
        raw.is_greeted()
        wait_until(lambda: loop.has_ended or any_ready(source), "its handshake is done")
        waits = threading.Event()

        def wait() -> None:
            waits.set()
            may_read.wait(DEADLINE_S)

        loop.post(wait)
        wait_until(lambda: loop.has_ended or waits.is_set(), "the thread waits")
        if not waits.is_set():
            return False
        raw.send(SENT)
        may_read.set()
        wait_until(lambda: loop.has_ended or source.messages == len(MESSAGES), "it is published")
        return True
    return False


def any_ready(source: Source) -> bool:
    return any(one.is_ready for one in list(source.connections.values()))


def check(source: Source, published: int, where: str) -> None:
    """All is counted; what is counted as published was, and hardly more.

    What is under way in the very moment, one piece, may be published and count as dropped.
    """
    assert source.messages + source.dropped == len(MESSAGES), where
    assert source.bytes + source.dropped_bytes in (BYTES, BYTES + len(PING)), where
    assert source.messages <= published <= len(MESSAGES), where
