"""Latencies: which number of a payload is a time, in which unit, and what many of them come to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fanout.cli.sub.latencies import Latencies, seconds_of, text_of
from fanout.cli.sub.rates import Rates
from fanout.subscriber.message import Message, ReplayedMessage

NOW = 1_764_228_000.0
FIELD = "ts"


def message(payload: object, made: Message | None = None) -> Message:
    made = made or Message()
    wire = (b"t", json.dumps(payload).encode())
    made._wire = (*wire, bytes(16)) if made.kind == "replayed" else wire
    return made


def latencies(field: str = FIELD) -> Latencies:
    made = Latencies(field, json.loads)
    made.now = NOW
    return made


@pytest.mark.parametrize("factor", [1, 10**3, 10**6, 10**9])
def test_the_unit_of_a_time_is_seen_by_its_size(factor: int) -> None:
    assert seconds_of(int(NOW) * factor) == pytest.approx(NOW, abs=1e-6)
    for first in (1e8, 1e11 - 1):  # the range in which seconds are told from the other units
        assert seconds_of(first * factor) == pytest.approx(first)


@pytest.mark.parametrize(
    "value", [None, True, "1764228000", 0, -NOW, 99_999_999, 1e20, 10**400, float("nan"), [NOW]]
)
def test_what_is_no_time(value: object) -> None:
    assert seconds_of(value) is None


@pytest.mark.parametrize(
    ("field", "payload"),
    [("ts", {"ts": NOW - 2}), ("a.b", {"a": {"b": NOW - 2}}), (".", NOW - 2)],
)
def test_where_a_time_is(field: str, payload: object) -> None:
    assert latencies(field).of(message(payload)) == pytest.approx(2.0)


@pytest.mark.parametrize("payload", [{}, {"ts": None}, {"ts": {"x": NOW}}, [NOW], NOW, "ts"])
def test_a_payload_without_a_time(payload: object) -> None:
    looked = latencies()
    looked.take([message(payload)])
    assert looked.take_sums() == {"messages": 0, "without_time": 1}


def test_a_payload_that_is_not_json_has_no_time() -> None:
    broken = Message()
    broken._wire = (b"t", b"\xff{")
    assert latencies().of(broken) is None


def test_what_was_published_before_is_not_late_but_asked_for() -> None:
    looked = latencies()
    looked.take([message({"ts": NOW - 2}, ReplayedMessage())])
    assert looked.take_sums() == {"messages": 0, "without_time": 0}


def test_sums_of_many_and_then_they_begin_anew() -> None:
    looked = latencies()
    looked.take([message({"ts": NOW - n / 1000}) for n in range(1, 201)])
    sums = looked.take_sums()
    told = {name: sums[name] for name in ("min", "p50", "p99", "max")}
    assert told == pytest.approx({"min": 1, "p50": 100, "p99": 198, "max": 200}, rel=1e-2)
    assert sums["messages"] == 200
    assert looked.take_sums()["messages"] == 0


@pytest.mark.unmeasured
def test_memory_of_many_is_bounded() -> None:
    looked = latencies(".")
    looked.take([message(NOW - n * 1e-5) for n in range(100_000)])
    assert len(looked._counts) < 6000


def test_a_clock_that_is_behind_is_seen() -> None:
    looked = latencies()
    looked.take([message({"ts": NOW + 0.25}), message({"ts": NOW - 1})])
    assert looked.take_sums()["min"] == pytest.approx(-250.0)


def test_texts() -> None:
    sums: dict[str, Any] = {"messages": 4, "without_time": 0}
    sums |= {"min": 0.0512, "p50": 1.23, "p99": 20.0, "max": 1230.0}
    latency = ", latency in ms: min 0.0512, p50 1.23, p99 20, max 1,230"
    assert text_of(sums) == latency
    assert text_of(sums | {"without_time": 3000}) == f"{latency}, 3,000 without a time"
    assert text_of({"messages": 0, "without_time": 0}) == ""


def test_rates_tell_of_them_in_both_forms() -> None:
    looked = latencies()
    rates = Rates(10.0, as_json=False, latencies=looked)
    rates.take([message({"ts": NOW - 0.5}), message({})])
    assert b" in all, latency in ms: min 500, p50 500, p99 500, max 500, 1 without" in rates.line(
        11
    )
    rates = Rates(10.0, as_json=True, latencies=looked)
    rates.take([message({"ts": NOW - 0.5})])
    told = json.loads(rates.line(11))["latency_ms"]
    assert told == {
        **dict.fromkeys(("min", "p50", "p99", "max"), 500.0),
        "messages": 1,
        "without_time": 0,
    }
