"""What is logged of connections, and what a timeout says of them."""

from __future__ import annotations

import logging

import pytest

from fanout.subscriber.events import ReceiverEvent, ReceiverEventKind
from fanout.subscriber.telling import LATE_TEXT, NOT_YET_TEXT, Telling

A, B = "tcp://10.0.0.7:5556", "tcp://10.0.1.7:5556"
UP = ReceiverEvent(ReceiverEventKind.CONNECTED, A, "connected")
LOST = ReceiverEvent(ReceiverEventKind.LOST, A, "the publisher closed the connection")
FAILED = ReceiverEvent(ReceiverEventKind.FAILED, A, "Connection refused")
OTHER = ReceiverEvent(ReceiverEventKind.REFUSED, B, "denied")
FULL = ReceiverEvent(ReceiverEventKind.QUEUE_FULL, "", "messages come faster than they are taken")


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([], NOT_YET_TEXT),
        ([FAILED], f"{A}: Connection refused"),
        ([UP, LOST], f"{A}: the publisher closed the connection"),
        ([UP, LOST, FAILED, OTHER], f"{A}: Connection refused; {B}: denied"),
        ([OTHER, FULL], f"{B}: denied"),
    ],
)
def test_a_timeout_says_why_nobody_is_connected(events: list[ReceiverEvent], why: str) -> None:
    telling = Telling(None)
    for event in events:
        telling(event)
    error = telling.late()
    assert (type(error), str(error)) == (TimeoutError, f"{LATE_TEXT}: {why}")


@pytest.mark.parametrize(
    "events",
    [[UP], [FAILED, UP], [OTHER, UP], [UP, ReceiverEvent(ReceiverEventKind.UNNUMBERED, A, "")]],
)
def test_while_somebody_is_connected_it_blames_nobody(events: list[ReceiverEvent]) -> None:
    telling = Telling(None)
    for event in events:
        telling(event)
    assert str(telling.late()) == LATE_TEXT


def test_each_is_told_to_the_program_and_logged_once_in_a_row(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[ReceiverEvent] = []
    telling = Telling(told.append)
    with caplog.at_level(logging.INFO, "fanout"):
        for event in (FAILED, FAILED, OTHER, FAILED, UP):
            telling(event)
    assert told == [FAILED, FAILED, OTHER, FAILED, UP]
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [
        ("INFO", f"{A}: Connection refused"),
        ("WARNING", f"{B}: denied"),
        ("INFO", f"{A}: connected"),
    ]


def test_a_callback_that_fails_is_logged_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def fail(event: ReceiverEvent) -> None:
        raise KeyError(event.text)

    Telling(fail)(UP)
    assert "on_event of a subscriber has failed" in caplog.text
    with pytest.raises(TypeError, match="on_event must be callable"):
        Telling(3)  # type: ignore[arg-type]
