"""The announcer: once to the logger, once to the callback, and nothing of the user's comes back."""

from __future__ import annotations

import logging
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from fanout.coordinator import announcer as announcers
from fanout.coordinator import thinning as thinnings
from fanout.coordinator.announcer import Announcer
from fanout.coordinator.thinning import LOGGED_AT_ONCE, SUMMARY_EACH
from fanout.events import Event, EventKind
from fanout.reasons import Reason
from fanout.reporting import event_queue
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fanout.reporting.event_queue import EventQueue

SLOW = Event(EventKind.SUBSCRIBER_SLOW, "behind", subscriber=3, peer="peer:1", dropped=7)
ANOTHER = Event(EventKind.SUBSCRIBER_SLOW, "behind", subscriber=4, peer="peer:2", dropped=1)
QUIET = logging.getLogger("fanout.test_announcer.quiet")


@pytest.fixture
def logger() -> logging.Logger:
    logger = logging.getLogger("fanout.test_announcer")
    logger.setLevel(logging.DEBUG)
    return logger


@pytest.fixture(autouse=True)
def a_quick_one_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is: the limits are for those who do not come back."""
    monkeypatch.setattr(announcers, "FAREWELL", DEADLINE_S)


def announce(
    on_event: Callable[[Event], None] | None, logger: logging.Logger, *events: Event
) -> None:
    announcer = Announcer(on_event, logger)
    for event in events:
        announcer.tell(event)
    announcer.close(1.0)


def numbered(number: int) -> Event:
    return Event(EventKind.SUBSCRIBER_CONNECTED, subscriber=number)


class Blocked:
    """An `on_event` that does not come back from its first call until it is let go."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.began = threading.Event()
        self._let_go = threading.Event()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self.began.set()
        assert self._let_go.wait(DEADLINE_S)

    def let_go(self) -> None:
        self._let_go.set()


@pytest.fixture
def blocked() -> Iterator[Blocked]:
    blocked = Blocked()
    yield blocked
    blocked.let_go()


def event_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "fanout-events"]


def test_both_get_the_event_once(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    events: list[Event] = []

    announce(events.append, logger, SLOW)

    assert events == [SLOW]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        "subscriber_slow subscriber=3 peer=peer:1 dropped=7 reason='behind'"
    )


@pytest.mark.parametrize(
    ("cause", "level"),
    [(Reason.VIOLATION, logging.WARNING), (Reason.LEFT, logging.DEBUG)],
)
def test_a_failed_handshake_is_a_warning_unless_nothing_is_wrong(
    cause: Reason, level: int, logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    announce(None, logger, Event(EventKind.HANDSHAKE_FAILED, cause=cause))

    assert [record.levelno for record in caplog.records] == [level]


def test_who_reads_of_a_stall_reads_of_its_end(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    announcer = Announcer(None, logger)
    for kind in (EventKind.SUBSCRIBER_STALLED, EventKind.SUBSCRIBER_RECOVERED):
        announcer.tell(Event(kind))
    announcer.close(1.0)
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.INFO]


def test_who_reads_of_a_lost_worker_reads_of_the_next_one(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    announcer = Announcer(None, logger)
    for restarts in (0, 1):
        announcer.tell(Event(EventKind.WORKER_STARTED, "pid 7", worker=0, restarts=restarts))
    announcer.close(1.0)
    assert [record.levelno for record in caplog.records] == [logging.DEBUG, logging.INFO]
    assert caplog.records[1].getMessage() == "worker_started worker=0 restarts=1 reason='pid 7'"


def test_without_a_callback_it_is_logged(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    announce(None, logger, Event(EventKind.WORKER_LOST, worker=1))
    announce(None, logger, Event(EventKind.WORKER_GIVEN_UP, worker=1))

    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2


def test_nobody_who_listens_costs_no_thread() -> None:
    announcer = Announcer(None, QUIET)
    QUIET.setLevel(logging.CRITICAL)

    announcer.tell(SLOW)

    assert event_threads() == []
    announcer.close(1.0)


@pytest.mark.parametrize("error", [ValueError("mine"), SystemExit(3), KeyboardInterrupt()])
def test_a_callback_that_raises_is_logged_with_its_traceback(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    calls: list[Event] = []

    def callback(event: Event) -> None:
        calls.append(event)
        raise error

    announce(callback, logger, SLOW, ANOTHER)

    assert calls == [SLOW, ANOTHER]
    failed = caplog.records[-1]
    assert failed.getMessage().startswith("callback_failed")
    assert failed.levelno == logging.ERROR
    assert failed.exc_info is not None
    assert failed.exc_info[1] is error


@pytest.mark.parametrize("error", [ValueError("a mistake in the set-up"), SystemExit(3)])
def test_a_log_filter_that_raises_does_not_keep_the_event_from_the_callback(
    logger: logging.Logger, error: BaseException
) -> None:
    events: list[Event] = []

    def broken(_record: logging.LogRecord) -> bool:
        raise error

    logger.addFilter(broken)
    try:
        announce(events.append, logger, SLOW, SLOW)
    finally:
        logger.removeFilter(broken)

    assert events == [SLOW, SLOW]


def test_a_bug_of_ours_is_logged_with_its_traceback_and_does_not_keep_its_frames(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    announcer = Announcer(None, logger)

    try:
        raise ValueError("ours")
    except ValueError as error:
        announcer.complain("it failed", error)
    announcer.close(1.0)

    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "it failed\nTraceback" in record.getMessage()
    assert "ValueError: ours" in record.getMessage()
    assert not record.exc_info


def test_a_callback_that_blocks_holds_up_neither_who_tells_nor_the_end(
    blocked: Blocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcers, "FAREWELL_AT_ONCE", 0.01)
    announcer = Announcer(blocked, QUIET)
    events = [numbered(number) for number in range(100)]

    for event in events:
        announcer.tell(event)
    announcer.close(0.0)
    assert blocked.began.wait(DEADLINE_S)
    assert blocked.events == events[:1], "the others wait"
    (thread,) = event_threads()
    assert thread.daemon, "else the interpreter would wait for it"

    blocked.let_go()
    wait_until(lambda: not event_threads(), "the end of its thread")
    assert blocked.events == events


def test_a_log_handler_that_blocks_holds_up_nobody_either(
    logger: logging.Logger, blocked: Blocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcers, "FAREWELL_AT_ONCE", 0.01)

    def block(_record: logging.LogRecord) -> bool:
        blocked(SLOW)
        return True

    logger.addFilter(block)
    announcer = Announcer(None, logger)
    try:
        announcer.tell(SLOW)
        announcer.complain("a bug", ValueError("ours"))
        announcer.close(0.0)
        assert blocked.began.wait(DEADLINE_S)
        assert len(event_threads()) == 1
    finally:
        blocked.let_go()
        wait_until(lambda: not event_threads(), "the end of its thread")
        logger.removeFilter(block)


def test_what_is_lost_is_counted_and_told_where_it_is_missing(
    blocked: Blocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_queue, "EVENTS_MAX", 4)
    monkeypatch.setattr(event_queue, "EVENTS_RESUME", 2)
    announcer = Announcer(blocked, QUIET)

    announcer.tell(numbered(0))
    assert blocked.began.wait(DEADLINE_S)
    for number in range(1, 11):  # 1 to 4 wait, six are lost
        announcer.tell(numbered(number))
    blocked.let_go()
    wait_until(lambda: len(blocked.events) == 6, "the delivery")
    for number in range(11, 15):
        announcer.tell(numbered(number))
    announcer.close(1.0)

    assert [event.subscriber for event in blocked.events] == [
        *(0, 1, 2, 3, 4),
        *(None, 11, 12, 13, 14),
    ]
    told = blocked.events[5]
    assert (told.kind, told.lost) == (EventKind.EVENTS_LOST, 6)
    assert "6 events" in told.reason


def test_losses_come_in_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A callback that is always too slow is told of losses now and then, not with every event."""
    monkeypatch.setattr(event_queue, "EVENTS_MAX", 8)
    monkeypatch.setattr(event_queue, "EVENTS_RESUME", 4)
    one_more = threading.Semaphore(0)
    events: list[Event] = []

    def slow(event: Event) -> None:
        assert one_more.acquire(timeout=DEADLINE_S)
        events.append(event)

    announcer = Announcer(slow, QUIET)
    told = 0
    for call in range(40):  # two are told for each that is taken
        for _ in range(2):
            announcer.tell(numbered(told))
            told += 1
        one_more.release()
        wait_until(lambda call=call: len(events) == call + 1, "a call")  # type: ignore[misc]
    for _ in range(told):
        one_more.release()
    announcer.close(1.0)

    losses = [event.lost for event in events if event.kind is EventKind.EVENTS_LOST]
    assert len(events) - len(losses) + sum(losses) == told
    assert 2 <= len(losses) <= 12
    order = [event.subscriber for event in events if event.subscriber is not None]
    assert order == sorted(order)


def test_an_end_in_the_callback_does_not_wait_for_itself() -> None:
    events: list[Event] = []

    def close(event: Event) -> None:
        events.append(event)
        announcer.close(1.0)

    announcer = Announcer(close, QUIET)
    announcer.tell(SLOW)
    announcer.tell(SLOW)
    wait_until(lambda: not event_threads(), "the end of its thread")

    assert events[:1] == [SLOW]


def test_the_system_has_no_thread_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = []
    announcer = Announcer(events.append, QUIET)

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        announcer.tell(numbered(1))
    announcer.tell(numbered(2))
    announcer.close(1.0)

    assert [event.subscriber for event in events] == [1, 2]


def test_what_the_callback_starts_has_the_signal_mask_of_the_program() -> None:
    """The coordinator's thread blocks signals, and whom it starts would inherit that."""
    masks: list[set[signal.Signals | int]] = []

    def note(_event: Event) -> None:
        masks.append(set(signal.pthread_sigmask(signal.SIG_BLOCK, ())))

    announcer = Announcer(note, QUIET)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    try:
        announcer.tell(SLOW)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    announcer.close(1.0)

    assert masks == [set(before)]


def read_all(queue: EventQueue) -> list[Event]:
    found = []
    while (one := queue.take(DEADLINE_S)) is not None:
        assert isinstance(one, Event)
        found.append(one)
    return found


def test_who_reads_for_himself_gets_what_is_told_from_then_on_and_the_end() -> None:
    events: list[Event] = []
    announcer = Announcer(events.append, QUIET)
    first = announcer.open_queue()
    announcer.tell(numbered(1))
    second = announcer.open_queue()
    announcer.tell(numbered(2))
    announcer.close(1.0)

    assert events == read_all(first) == [numbered(1), numbered(2)]
    assert read_all(second) == [numbered(2)]
    assert read_all(announcer.open_queue()) == [], "of an announcer that has ended"


def test_one_that_is_never_read_is_bounded_and_keeps_nothing_from_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_queue, "EVENTS_MAX", 4)
    monkeypatch.setattr(event_queue, "EVENTS_RESUME", 2)
    announcer = Announcer(None, QUIET)
    lazy, eager = announcer.open_queue(), announcer.open_queue()
    got = []
    for number in range(100):
        announcer.tell(numbered(number))
        got.append(eager.take_now())
    announcer.close(1.0)

    assert got == [numbered(number) for number in range(100)]
    kept = read_all(lazy)
    assert [event.subscriber for event in kept] == [0, 1, 2, 3, None]
    assert kept[-1].lost == 96


def test_queues_are_counted_and_forgotten_with_their_readers() -> None:
    announcer = Announcer(None, QUIET)
    queues = [announcer.open_queue() for _ in range(announcers.READERS_MAX)]
    with pytest.raises(RuntimeError, match="64 iterators over events are open"):
        announcer.open_queue()

    queues.pop()
    queues[0].close()
    announcer.tell(SLOW)
    assert len(announcer._readers) == announcers.READERS_MAX - 2
    queues += [announcer.open_queue(), announcer.open_queue()]
    announcer.close(1.0)
    assert read_all(queues[0]) == []


def test_the_log_of_many_who_lose_messages_is_short_and_the_callback_has_them_all(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    events: list[Event] = []
    announcer = Announcer(events.append, logger, lambda: now[0])
    for number in range(1_000):
        announcer.tell(Event(EventKind.SUBSCRIBER_DROPPED, subscriber=number, dropped_since=3))
    wait_until(lambda: len(events) == 1_000, "the callback")
    assert len(caplog.records) == LOGGED_AT_ONCE
    now[0] = SUMMARY_EACH
    announcer.tell(numbered(1))
    announcer.close(1.0)

    dropped = [text for text in map(logging.LogRecord.getMessage, caplog.records) if "drop" in text]
    assert len(dropped) == LOGGED_AT_ONCE + 1
    assert f"dropped_since={3 * (1_000 - LOGGED_AT_ONCE)} count={1_000 - LOGGED_AT_ONCE}" in str(
        dropped[-1]
    )


def test_a_summary_is_logged_when_it_is_due_although_nothing_else_happens(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thinnings, "SUMMARY_EACH", 0.01)
    announcer = Announcer(None, logger)
    announcer.tell(SLOW)
    announcer.tell(SLOW)

    wait_until(lambda: len(caplog.records) == 2, "the summary")
    announcer.close(1.0)


def test_who_logs_everything_reads_of_everybody_but_once(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    changed = [Event(EventKind.SUBSCRIBER_SUBSCRIBED, subscriber=1, added=1)] * 50
    announce(None, logger, *map(numbered, range(100)), *changed)

    texts = [record.getMessage() for record in caplog.records]
    assert len([text for text in texts if "connected" in text]) == 100
    assert [text for text in texts if "subscribed" in text] == [
        "subscriber_subscribed subscriber=1 added=1",
        "subscriber_subscribed subscriber=1 added=49 count=49",
    ]
