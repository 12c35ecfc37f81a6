"""What goes wrong with the connection of a producer is logged, and no attempt twice in a row."""

from __future__ import annotations

import logging

import pytest

from fanout.faces.troubles import Troubles
from fanout.sockets.problems import Problem, ProblemKind, Problems

FAILED, LOST, REFUSED = ProblemKind.FAILED, ProblemKind.LOST, ProblemKind.REFUSED


def logged(caplog: pytest.LogCaptureFixture, *problems: tuple[ProblemKind, str]) -> list[str]:
    """What is in the log of these, with the level before it."""
    troubles = Troubles("tcp://10.0.0.7:5557")
    with caplog.at_level(logging.DEBUG, "fanout"):
        for kind, text in problems:
            troubles.tell(Problem(kind, "10.0.0.7:5557", text))
    return [f"{one.levelname} {one.getMessage()}" for one in caplog.records]


def test_attempts_that_fail_alike_are_one_line(caplog: pytest.LogCaptureFixture) -> None:
    told = logged(caplog, *[(FAILED, "Connection refused")] * 3, (FAILED, "timed out"))
    assert told == [
        "INFO tcp://10.0.0.7:5557: Connection refused; trying again",
        "INFO tcp://10.0.0.7:5557: timed out; trying again",
    ]


def test_each_loss_is_a_warning_since_each_may_have_cost_messages(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = logged(caplog, *[(LOST, "closed by the peer")] * 2)
    line = "WARNING tcp://10.0.0.7:5557: the connection is lost (closed by the peer); what was on "
    assert told == [f"{line}the way may not have been published"] * 2


def test_who_is_not_let_in_is_told_so_once(caplog: pytest.LogCaptureFixture) -> None:
    told = logged(caplog, *[(REFUSED, 'the peer has socket type "XPUB", and not PULL')] * 2)
    (line,) = told
    assert line.startswith("WARNING tcp://10.0.0.7:5557 is no endpoint of ingest()")
    assert 'socket type "XPUB", and not PULL; trying again' in line


@pytest.mark.parametrize("kind", [ProblemKind.UNDELIVERED, ProblemKind.MALFORMED])
def test_what_a_producer_never_has_is_no_line(
    kind: ProblemKind, caplog: pytest.LogCaptureFixture
) -> None:
    assert logged(caplog, (kind, "")) == []


def test_they_are_told_as_they_come_and_kept_all_the_same() -> None:
    problems, told = Problems(), list[Problem]()
    problems.tell = told.append
    problems.put(LOST, "10.0.0.7:5557", "closed")
    assert told == problems.take() == [Problem(LOST, "10.0.0.7:5557", "closed")]
