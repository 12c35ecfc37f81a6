"""Rates: what came in each second, and what is missing."""

from __future__ import annotations

import json

from fanout.cli.sub.rates import EACH_S, Rates
from fanout.subscriber.message import Gap, Message


def message(size: int, gap: Gap | None = None) -> Message:
    made = Message()
    made._wire = (b"A", bytes(size - 1))
    return made if gap is None else made.after(gap)


def test_rates_for_people() -> None:
    rates = Rates(10.0, as_json=False)
    assert rates.due == 10 + EACH_S
    rates.take([message(1024) for _ in range(3000)])
    assert rates.line(12.0) == b"1,500 msg/s, 1.5 MiB/s, 3,000 in all\n"
    assert rates.due == 12 + EACH_S
    rates.take([message(100, Gap("lag", 7)), message(100, Gap("conflated", 9))])
    assert rates.line(13.0) == b"2 msg/s, 200 B/s, 3,002 in all, 7 missing\n"


def test_rates_for_programs() -> None:
    rates = Rates(10.0, as_json=True)
    rates.take([message(100), message(100, Gap("expired"))])
    assert json.loads(rates.line(10.5)) == {
        "messages_per_second": 4,
        "bytes_per_second": 400,
        "messages": 2,
        "missing": 0,
    }
