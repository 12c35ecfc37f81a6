"""A publisher in another process, seen from outside: by its process id, asking it nothing."""

from __future__ import annotations

import json
import os
import signal
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from fanout.errors import ClosedError
from fanout.observe.attach import AttachError, NotFound, OtherVersion, attach, attach_all, find
from fanout.reasons import Reason
from fanout.shm.header import PublisherState
from fanout.shm.worker_slot import WorkerState
from tests.helpers.collecting import Collector
from tests.helpers.programs import Program
from tests.helpers.raw import RawPeer
from tests.helpers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fanout.observe.reader import Reader

# A publisher that does what it reads, a line each, and answers each line with one.
SERVE = """
import dataclasses, json, sys
from fanout import Publisher
publisher = Publisher("tcp://127.0.0.1:*", workers=2, log_bytes=1 << 22)
print(publisher.endpoints[0])
for line in sys.stdin:
    what, _, count = line.partition(" ")
    answer = None
    if what == "publish":
        publisher.wait_for_subscribers(int(count), timeout=60)
        for number in range(100):
            publisher.publish(b"topic", b"payload %d" % number)
    elif what == "ask\\n":
        rows = [dataclasses.asdict(one) for one in publisher.subscribers()]
        answer = [rows, dataclasses.asdict(publisher.statistics())]
    else:
        publisher.close()
    print(json.dumps(answer))
"""

# The memory of two publishers, in another process; one of them has its file open twice.
TWO = """
import os, sys
from fanout.shm import layout as at
from fanout.shm.segment import Segment
segments = [Segment.create(at.Layout(at.PAGE, 64, 2)) for _ in range(2)]
os.dup(segments[0].fd)
for segment in segments:
    segment.words[at.H_VERSION] += int(sys.argv[1])
print(*(segment.words[at.H_EPOCH] for segment in segments))
sys.stdin.read()
"""

# A user who may not look at the process that is named.
STRANGER = """
import os, sys
from fanout.observe.attach import NotPermitted, attach
os.setuid(65534)
try:
    attach(int(sys.argv[1]))
except NotPermitted as error:
    print(error)
"""


class Served:
    """A publisher in a process of its own."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.pid = program.process.pid
        self.endpoint = program.line()

    def ask(self, line: str) -> Any:
        """Have it do something; returns its answer."""
        pipe = self.program.process.stdin
        assert pipe is not None
        pipe.write(f"{line}\n")
        pipe.flush()
        return json.loads(self.program.line())


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with Program(["-c", SERVE], tmp_path) as program:
        yield Served(program)


def as_answered(reader: Reader) -> Any:
    """What the reader says, in the words of the answer."""
    rows = [asdict(one) for one in reader.subscribers()]
    return json.loads(json.dumps([rows, asdict(reader.totals())]))


def test_a_reader_outside_says_what_the_publisher_says(served: Served) -> None:
    with ExitStack() as stack:
        for topic in (b"", b"topic", b"other"):
            stack.enter_context(Collector(served.endpoint, topic))
        served.ask("publish 3")
        reader = attach(served.pid)
        # With nothing on its way any more both see the same, whenever they look.
        wait_until(lambda: reader.totals().sent == 200, "all is sent")

        answer = served.ask("ask")

        assert as_answered(reader) == answer
        assert [one["sent"] for one in answer[0]].count(100) == 2
        assert (reader.pid, reader.state, reader.head) == (served.pid, PublisherState.SERVING, 100)
        assert [row.state for row in reader.workers()] == [WorkerState.READY] * 2
        workers = {worker["pid"] for worker in answer[1]["workers"]}
        assert workers == {row.pid for row in reader.workers()}
        wait_until(lambda: reader.notes()[-1].head == 100, "a note of what was published")
        served.ask("close")


def test_a_publisher_that_is_stopped_can_be_read(served: Served) -> None:
    with Collector(served.endpoint, b"") as collector:
        served.ask("publish 1")
        served.ask("ask")
        os.kill(served.pid, signal.SIGSTOP)
        try:
            reader = attach(served.pid)
            (one,) = reader.subscribers()
            assert (one.sent, one.queued, one.worker) == (100, 0, reader.rows()[0].identity.worker)
            assert reader.totals().published == 100
            heartbeat = reader.heartbeat
        finally:
            os.kill(served.pid, signal.SIGCONT)
        wait_until(lambda: reader.heartbeat > heartbeat, "it lives again")
        served.ask("close")
        assert collector.failure is None


def test_the_ring_of_ends_tells_why_each_left(served: Served) -> None:
    reader = attach(served.pid)
    for left in range(1, 3):
        with RawPeer.version_3(served.endpoint, b""):
            wait_until(reader.subscribers, "it is there")
        wait_until(lambda: list(reader.closed(left - 1)), "it left")  # noqa: B023
    with RawPeer(served.endpoint) as broken:
        broken.send(b"GET / HTTP/1.1\r\n\r\n")
        wait_until(lambda: reader.totals().failed_handshakes == 1, "it was thrown out")

    ends = [end for _number, end in reader.closed()]

    assert [end.reason for end in ends] == [Reason.LEFT, Reason.LEFT], "of subscribers only"
    assert all(end.opened < end.closed for end in ends)
    assert all(end.peer.startswith("127.0.0.1:") for end in ends)
    assert reader.reasons()[Reason.LEFT] == 2
    assert reader.reasons()[Reason.VIOLATION] == 1
    served.ask("close")


def test_each_run_of_a_publisher_has_another_epoch(served: Served, tmp_path: Path) -> None:
    with Program(["-c", SERVE], tmp_path) as program:
        again = Served(program)
        assert attach(again.pid).epoch not in (0, attach(served.pid).epoch)
        again.ask("close")
    served.ask("close")


def test_who_has_closed_is_no_publisher_any_more(served: Served) -> None:
    reader = attach(served.pid)
    served.ask("close")

    with pytest.raises(ClosedError):
        reader.totals()
    assert reader.state is PublisherState.NONE
    with pytest.raises(NotFound, match="has no publisher"):
        attach(served.pid)


def test_several_publishers_in_one_process_are_told_apart(tmp_path: Path) -> None:
    with Program(["-c", TWO, "0"], tmp_path) as program:
        pid = program.process.pid
        epochs = {int(epoch) for epoch in program.line().split()}

        assert len(find(pid)) == 2
        assert {reader.epoch for reader in attach_all(pid)} == epochs
        with pytest.raises(AttachError, match="2 publishers"):
            attach(pid)


def test_another_version_is_refused_as_such(tmp_path: Path) -> None:
    with Program(["-c", TWO, "1"], tmp_path) as program:
        program.line()
        with pytest.raises(OtherVersion, match="of one version"):
            attach(program.process.pid)


def test_no_such_process_is_said_so() -> None:
    with pytest.raises(NotFound, match="no process"):
        attach(1 << 30)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_is_not_permitted(served: Served, tmp_path: Path) -> None:
    with Program(["-c", STRANGER, str(served.pid)], tmp_path) as program:
        assert "another user" in program.finish()[0]
    served.ask("close")
