"""Whether what was heard is what was counted."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from fanout.coordinator.takeovers import MAY_HAVE_SENT
from soaking.chaos.judging import Found, add_heard, complaints, is_documented, without_numbers
from soaking.chaos.people import Person
from soaking.chaos.report import as_json, report

ALL = Person(0, "firehose")
LOSING = Person(1, "oldest", policy="drop_oldest")
FIGURES = {"matched": 10, "sent": 10, "queued": 0, "dropped": 0, "conflated": 0, "discarded": 0}


def heard(**others: Any) -> dict[str, Any]:
    given = {"received": 10, "missing": 0, "before": 0, "half_open": 0, "ended": 0, "wrong": None}
    return {**given, "pings": 3, "pongs": 3, **others}


def test_who_got_what_was_counted_has_no_complaint() -> None:
    assert list(complaints(ALL, heard(), SimpleNamespace(**FIGURES), 10)) == []
    losing = SimpleNamespace(**{**FIGURES, "sent": 7, "dropped": 3})
    assert list(complaints(LOSING, heard(received=7, missing=3), losing, 10)) == []


@pytest.mark.parametrize(
    ("person", "wrong"),
    [
        (ALL, {"sent": 9}),
        (ALL, {"matched": 11, "sent": 11}),
        (ALL, {"matched": 11, "dropped": 1}),
        (LOSING, {"matched": 12, "dropped": 2}),
        (LOSING, {"matched": 11, "queued": 1}),
    ],
)
def test_what_was_counted_otherwise_is_found(person: Person, wrong: dict[str, int]) -> None:
    assert list(complaints(person, heard(), SimpleNamespace(**{**FIGURES, **wrong}), 10))


def test_the_verdict_is_that_nobody_has_noticed_anything() -> None:
    found = Found()
    add_heard(found, ALL, heard())
    assert found.held

    add_heard(found, ALL, heard(ended=1))
    found.disconnects["its worker was lost; N workers in a row ended while they had it"] += 1
    assert (found.is_whole, found.held, found.undocumented) == (True, False, 0)
    add_heard(found, ALL, heard(ended=1))
    assert found.undocumented == 1
    found.handshakes = 1
    assert found.undocumented == 0
    add_heard(found, ALL, heard(wrong=["torn", "message 3"]))
    assert (found.is_whole, found.count("torn"), found.count("lost")) == (False, 1, 0)


@pytest.mark.parametrize(
    ("ended", "told", "lost", "handshakes", "held"),
    [
        pytest.param(1, 0, 1, 0, False, id="nobody has said why"),
        pytest.param(1, 1, 0, 0, False, id="no worker was lost"),
        pytest.param(1, 1, 1, 0, True, id="one, of one worker"),
        pytest.param(2, 2, 1, 0, False, id="two, of one worker"),
        pytest.param(2, 1, 1, 1, True, id="it came again, and was lost in its handshake"),
    ],
)
def test_one_ipc_subscriber_may_be_closed_for_each_worker_that_is_lost(
    ended: int, told: int, lost: int, handshakes: int, held: bool
) -> None:
    found = Found(handshakes=handshakes)
    add_heard(found, replace(ALL, ipc=True), heard(ended=ended))
    found.disconnects[f"its worker was lost; {MAY_HAVE_SENT}"] = told
    found.lost["worker N was killed by SIGKILL"] = lost
    assert found.held == held


def test_none_of_tcp_may_be_closed_for_that() -> None:
    found = Found()
    add_heard(found, ALL, heard(ended=1))
    found.disconnects[f"its worker was lost; {MAY_HAVE_SENT}"] = 1
    found.lost["worker N was killed by SIGKILL"] = 1
    assert not found.held


def test_what_was_found_is_shown_to_people_and_programs() -> None:
    found = Found(published=5, seconds=1.0)
    found.merge_pauses({"kill, a survivor": [(7, 3)]})
    add_heard(found, ALL, heard(wrong=["torn", "message 3"]))

    assert "WRONG (torn): firehose 0: message 3" in report(found)
    assert "NOT HELD" in report(found)
    assert as_json(found, {"seed": 1})["pauses_ms"]["kill, a survivor"]["times"] == 3


def test_reasons_are_those_of_the_documentation_whatever_the_numbers() -> None:
    assert is_documented(f"its worker was lost; {MAY_HAVE_SENT}")
    assert not is_documented("its worker was lost; something that it said was not acted upon")
    assert not is_documented("its stream does not fit")
    assert without_numbers("12,345 bytes after 3.5 s") == "N bytes after N s"
