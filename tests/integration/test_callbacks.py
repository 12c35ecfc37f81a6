"""Callbacks that block, use the publisher, or end it: nobody is held up, and nothing hangs."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from fanout import EventKind, Publisher
from fanout.asyncio import Publisher as AsyncPublisher
from fanout.coordinator import announcer as announcers
from fanout.reporting import event_queue
from tests.helpers.programs import Program, holdings, require_holdings
from tests.helpers.raw import RawPeer
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fanout import Event
    from fanout.engine.questions import Questions
    from tests.helpers.stock import Socket, Stock

ENDPOINT = "tcp://127.0.0.1:*"
CLOSE_MAX = DEADLINE_S  # of close(0.0), on a busy machine: who is blocked is so for ever


class Blocked:
    """Takes events and does not come back until it is let go."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._let_go = threading.Event()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self._let_go.wait()

    def let_go(self) -> None:
        self._let_go.set()


@pytest.fixture
def blocked() -> Iterator[Blocked]:
    blocked = Blocked()
    yield blocked
    blocked.let_go()


class Handler(logging.Handler):
    """A handler of the user's that calls something with each record."""

    def __init__(self, call: Callable[[logging.LogRecord], object]) -> None:
        super().__init__()
        self._call = call

    def emit(self, record: logging.LogRecord) -> None:
        self._call(record)


def check_that_all_goes_on(publisher: Publisher, subscriber: Socket) -> None:
    """A killed worker is replaced, its subscribers go on, and the end is at once."""
    publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
    publisher.publish(b"a", b"1")
    assert subscriber.recv_multipart() == [b"a", b"1"]
    os.kill(publisher.statistics().workers[0].pid, signal.SIGKILL)
    wait_until(lambda: publisher.statistics().resumed > 0, "that the replacement goes on")
    publisher.publish(b"a", b"2")
    assert subscriber.recv_multipart() == [b"a", b"2"]
    began = time.monotonic()
    publisher.close(0.0)
    assert time.monotonic() - began < CLOSE_MAX


def test_a_callback_that_never_comes_back_holds_nobody_up(blocked: Blocked, stock: Stock) -> None:
    publisher = Publisher(ENDPOINT, workers=1, log_bytes=1 << 22, on_event=blocked)

    check_that_all_goes_on(publisher, stock.connect(publisher.endpoints[0], b"a"))

    assert [event.kind for event in blocked.events] == [EventKind.WORKER_STARTED]
    blocked.let_go()
    kinds = [EventKind.WORKER_STARTED, EventKind.SUBSCRIBER_CONNECTED]
    wait_until(lambda: EventKind.WORKER_LOST in [e.kind for e in blocked.events], "the others")
    assert [event.kind for event in blocked.events][:2] == kinds


def test_a_callback_that_never_comes_back_does_not_keep_the_log(blocked: Blocked) -> None:
    descriptors, processes, threads = holdings()
    made = [Publisher(ENDPOINT, workers=1, log_bytes=1 << 22, on_event=blocked)]
    wait_until(lambda: blocked.events, "the first event, in which it blocks")

    made[0].close(0.0)
    made.clear()

    wait_until(lambda: holdings()[0] == descriptors, "the end of all descriptors")
    assert holdings()[1] <= processes
    wait_until(lambda: len(holdings()[2] - threads) == 1, "the end of all threads but that one")


def test_a_log_handler_that_never_comes_back_holds_nobody_up(
    blocked: Blocked, stock: Stock
) -> None:
    logger = logging.getLogger("fanout")
    handler = Handler(lambda _record: blocked._let_go.wait())
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        publisher = Publisher(ENDPOINT, workers=1, log_bytes=1 << 22)
        check_that_all_goes_on(publisher, stock.connect(publisher.endpoints[0], b"a"))
    finally:
        blocked.let_go()
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


def test_events_beyond_the_bound_are_counted(
    blocked: Blocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_queue, "EVENTS_MAX", 4)
    monkeypatch.setattr(event_queue, "EVENTS_RESUME", 2)
    with Publisher(ENDPOINT, workers=1, log_bytes=1 << 22, on_event=blocked) as publisher:
        wait_until(lambda: blocked.events, "the first one, in which it blocks")
        for number in range(10):  # connects, subscribes, disconnects: 30 events; four wait
            with RawPeer.version_3(publisher.endpoints[0], b"a"):
                publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            wait_until(
                lambda count=number + 1: publisher.statistics().disconnected == count,  # type: ignore[misc]
                "its end",
            )
        # The last ones are announced after they are counted, and lost as well.
        queue = publisher._engine._announcer._queue
        wait_until(lambda: queue._lost == 26, "all others are lost")
        blocked.let_go()
        wait_until(lambda: len(blocked.events) == 6, "the events")
        told = blocked.events[-1]
        assert (told.kind, told.lost) == (EventKind.EVENTS_LOST, 26)


def test_a_callback_may_ask_for_exact_figures_and_bind() -> None:
    answers: list[object] = []
    asked = threading.Event()

    def ask(event: Event) -> None:
        if event.kind is EventKind.SUBSCRIBER_SLOW:
            publisher.bind("ipc://*")
            answers.append(len(publisher.endpoints))
            answers.append(publisher.statistics().published)
            answers.append(publisher.subscribers()[0].matched)
            asked.set()

    with (
        Publisher(
            ENDPOINT, workers=1, log_bytes=1 << 20, slow_limit_bytes=1 << 16, on_event=ask
        ) as publisher,
        RawPeer.version_3(publisher.endpoints[0], b"a", receive_buffer=4096),
    ):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        count = 0
        deadline = time.monotonic() + DEADLINE_S
        while not asked.is_set():
            publisher.publish(b"a", bytes(4096))
            count += 1
            if count % 1000 == 0:
                assert time.monotonic() < deadline, "nobody is slow"
                asked.wait(0.1)
        endpoints, published, matched = answers
        assert endpoints == 2
        assert isinstance(published, int)
        assert isinstance(matched, int)
        assert 0 < published <= count
        # Asked after `published` was: the workers had to look at all that was sent before.
        assert published <= matched <= count


def test_a_callback_may_close_the_publisher() -> None:
    before = holdings()
    results: list[object] = []

    def close(event: Event) -> None:
        if event.kind is EventKind.SUBSCRIBER_CONNECTED:
            results.append(made[0].close())

    made = [Publisher(ENDPOINT, workers=1, log_bytes=1 << 22, on_event=close)]
    with RawPeer.version_3(made[0].endpoints[0], b"a"):
        wait_until(lambda: results, "the end")
    assert results == [()]
    assert made[0].closed
    made[0].close()  # waits for the callback, too
    made.clear()
    require_holdings(before)


def test_the_last_events_have_come_when_close_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        announcers, "FAREWELL", DEADLINE_S
    )  # a callback that is quick is waited for
    events: list[Event] = []
    with (
        Publisher(ENDPOINT, workers=1, log_bytes=1 << 22, on_event=events.append) as publisher,
        RawPeer.version_3(publisher.endpoints[0], b"a"),
    ):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        publisher.close()
        assert [event.kind for event in events] == [
            EventKind.WORKER_STARTED,
            EventKind.SUBSCRIBER_CONNECTED,
            EventKind.SUBSCRIBER_SUBSCRIBED,
            EventKind.SUBSCRIBER_DISCONNECTED,
        ]


def test_an_interpreter_ends_while_a_callback_blocks(tmp_path: Path) -> None:
    source = (
        "import threading\n"
        "from fanout import Publisher\n"
        "called = threading.Event()\n"
        "def on_event(event):\n"
        "    called.set()\n"
        "    threading.Event().wait()\n"
        "options = {'workers': 1, 'log_bytes': 1 << 20, 'drain_timeout': 0.1}\n"
        "publisher = Publisher(on_event=on_event, **options)\n"
        "assert called.wait(20)\n"
        "print('main ends')\n"
    )
    with Program(["-c", source], tmp_path) as program:
        assert program.finish()[0] == "main ends\n"


def test_a_loop_that_is_blocked_lets_no_events_accumulate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The loop is asked once, and holds one hand of events; the others wait with the announcer."""
    monkeypatch.setattr(announcers, "FAREWELL", DEADLINE_S)
    asked: list[object] = []
    events: list[Event] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        call_soon_threadsafe = loop.call_soon_threadsafe

        def spy(callback: Callable[..., object], *arguments: object, **more: object) -> object:
            asked.append(callback)
            return call_soon_threadsafe(callback, *arguments, **more)  # type: ignore[arg-type]

        async with AsyncPublisher(
            ENDPOINT, workers=1, log_bytes=1 << 22, on_event=events.append
        ) as publisher:
            made = publisher._engine
            assert made is not None
            monkeypatch.setattr(loop, "call_soon_threadsafe", spy)
            for _ in range(20):  # the loop is blocked by this
                with RawPeer.version_3(publisher.endpoints[0], b"a"):
                    made.questions.wait_for_subscribers(1, None, timeout=DEADLINE_S)
                wait_until(lambda: not made.questions.subscribers(), "its end")
            assert len(asked) <= 1
            monkeypatch.setattr(loop, "call_soon_threadsafe", call_soon_threadsafe)
        connected = [e for e in events if e.kind is EventKind.SUBSCRIBER_CONNECTED]
        assert len(connected) == 20

    asyncio.run(main())


def test_a_callback_that_blocks_the_loop_holds_up_what_runs_there_and_nothing_else(
    blocked: Blocked,
) -> None:
    """Who connects is accepted, and a worker that is lost replaced, while the loop stands still."""
    is_armed = threading.Event()
    called_on: list[int] = []
    turns = 0

    def on_event(event: Event) -> None:
        if is_armed.is_set():
            called_on.append(threading.get_ident())
            blocked(event)

    def others(questions: Questions, endpoint: str) -> None:
        try:
            with RawPeer.version_3(endpoint, b"a"):
                wait_until(lambda: blocked.events, "the event of that, in which the loop blocks")
                before = turns
                questions.wait_for_subscribers(1, None, timeout=DEADLINE_S)
                os.kill(questions.statistics().workers[0].pid, signal.SIGKILL)
                wait_until(lambda: questions.statistics().resumed, "that the replacement goes on")
                with RawPeer.version_3(endpoint, b"a"):
                    questions.wait_for_subscribers(2, None, timeout=DEADLINE_S)
                assert (len(blocked.events), turns) == (1, before), "the loop did not go on"
        finally:
            blocked.let_go()

    async def main() -> None:
        nonlocal turns
        loop = asyncio.get_running_loop()
        publisher = await AsyncPublisher.start(
            ENDPOINT, workers=1, log_bytes=1 << 22, on_event=on_event
        )
        made = publisher._engine
        assert made is not None
        is_armed.set()
        checks = loop.run_in_executor(None, others, made.questions, publisher.endpoints[0])
        while not checks.done():
            turns += 1
            await asyncio.sleep(0.001)
        await checks
        began = time.monotonic()
        await publisher.close(0.0)
        assert time.monotonic() - began < CLOSE_MAX
        assert set(called_on) == {threading.get_ident()}

    asyncio.run(main())
