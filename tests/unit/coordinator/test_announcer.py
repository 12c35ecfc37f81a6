"""The reporter: once to the logger, once to the callback, and nothing comes back."""

from __future__ import annotations

import logging

import pytest

from fanout.coordinator.announcer import Reporter
from fanout.events import Event, EventKind

SLOW = Event(EventKind.SUBSCRIBER_SLOW, "behind", subscriber=3, peer="peer:1", dropped=7)


@pytest.fixture
def logger() -> logging.Logger:
    logger = logging.getLogger("fanout.test_reporter")
    logger.setLevel(logging.DEBUG)
    return logger


def test_both_get_the_event_once(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    events: list[Event] = []

    Reporter(events.append, logger).report(SLOW)

    assert events == [SLOW]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        "subscriber_slow subscriber=3 peer=peer:1 dropped=7 reason='behind'"
    )


def test_without_a_callback_it_is_logged(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    Reporter(None, logger).report(Event(EventKind.WORKER_LOST, worker=1))

    assert [record.levelno for record in caplog.records] == [logging.ERROR]


@pytest.mark.parametrize("error", [ValueError("mine"), SystemExit(3), KeyboardInterrupt()])
def test_a_callback_that_raises_is_logged_with_its_traceback(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    def callback(_event: Event) -> None:
        raise error

    Reporter(callback, logger).report(SLOW)

    failed = caplog.records[-1]
    assert failed.getMessage().startswith("callback_failed")
    assert failed.levelno == logging.ERROR
    assert failed.exc_info is not None
    assert failed.exc_info[1] is error


def test_a_log_filter_that_raises_does_not_keep_the_event_from_the_callback(
    logger: logging.Logger,
) -> None:
    events: list[Event] = []

    def broken(_record: logging.LogRecord) -> bool:
        raise ValueError("a mistake in the user's logging set-up")

    logger.addFilter(broken)
    try:
        Reporter(events.append, logger).report(SLOW)
    finally:
        logger.removeFilter(broken)

    assert events == [SLOW]
