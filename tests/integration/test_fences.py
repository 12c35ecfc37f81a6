"""A publisher whose every process does as on a machine that reorders stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.helpers.collecting import Collector
from tests.helpers.programs import Program

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PUBLISH = """
import sys
from fanout import Publisher
from fanout.shm import fence
assert not fence.STORES_STAY_IN_ORDER
with Publisher("tcp://127.0.0.1:*", workers=2, log_bytes=1 << 20, slow_policy="block") as publisher:
    print(publisher.endpoints[0])
    publisher.wait_for_subscribers(3, timeout=60)
    for number in range(20):  # one by one: the workers sleep meanwhile, and are woken
        publisher.publish(b"n", b"%d" % number)
        assert publisher.drain(60) == ()
    for number in range(20, 20_000):  # and a flood, many times around the log
        publisher.publish(b"n", b"%d" % number)
    with publisher.batch() as batch:
        batch.publish(b"n", b"20000")
        batch.publish(b"n", b"20001")
    assert publisher.drain(60) == ()
"""


def test_what_is_published_is_delivered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FANOUT_FENCES", "always")
    expected = [[b"n", b"%d" % number] for number in range(20_002)]

    with Program(["-c", PUBLISH], tmp_path) as program:
        endpoint = program.line()
        with (
            Collector(endpoint, b"") as everything,
            Collector(endpoint, b"n") as same,
            Collector(endpoint, b"no") as nothing,
        ):
            everything.expect(expected)
            same.expect(expected)
            program.finish()
            assert nothing.messages == []
