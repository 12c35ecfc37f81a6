"""What the end of a block leaves undelivered is one line in the log, however many it is."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fanout.engine.undelivered import NAMED_MAX, warn_of_undelivered
from fanout.statistics import Undelivered

if TYPE_CHECKING:
    import pytest


def test_where_everything_was_delivered_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "fanout"):
        warn_of_undelivered((), 5.0)
    assert caplog.records == []


def test_the_worst_are_named_and_the_others_counted(caplog: pytest.LogCaptureFixture) -> None:
    found = [Undelivered(number, f"10.0.0.{number}:1", number, 7) for number in range(1, 1_004)]
    warn_of_undelivered(found, 0.5)

    (record,) = caplog.records
    text = record.getMessage()
    assert (record.levelno, record.name) == (logging.WARNING, "fanout")
    assert "subscriber 1003 (10.0.0.1003:1): 1,003 messages queued, 7 bytes not ack" in text
    assert text.count("messages queued") == NAMED_MAX
    assert "and 1,000 others" in text
    assert "within 0.5 s (drain_timeout)" in text


def test_what_could_not_be_counted_is_said_so(caplog: pytest.LogCaptureFixture) -> None:
    warn_of_undelivered([Undelivered(0, "12 lost earlier", 30, 0, exact=False)], 5)
    assert "12 lost earlier: 30 or more messages queued" in caplog.text
    assert "others" not in caplog.text
