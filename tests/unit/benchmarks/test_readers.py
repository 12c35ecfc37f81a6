"""Subscribers that read so many bytes a second, and no more."""

from __future__ import annotations

import socket

import pytest

from benchmarks.readers import TICK_S, Readers, speeds
from benchmarks.traffic import Traffic


def test_speeds_are_between_the_slowest_and_the_fastest_by_equal_factors() -> None:
    assert speeds(3, 10, 1_000) == pytest.approx([10, 100, 1_000])
    assert speeds(1, 10, 1_000) == pytest.approx([100])


def test_each_reads_what_its_speed_allows_and_makes_nothing_up() -> None:
    """What comes after a while without anything is not read at once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        readers = Readers(Traffic(2, 128), [1_000, 4_000])
        readers.connect([f"127.0.0.1:{listener.getsockname()[1]}"], "plain")
        served = [listener.accept()[0] for _ in range(2)]
        began = readers.began
        readers.turn(began + 10)
        for one in served:
            one.sendall(bytes(50_000))
        for turn in range(1, 21):
            readers.turn(began + 10 + turn * TICK_S)
        found = readers.count()

        assert found["bytes"] == pytest.approx(5_000 * (1 + TICK_S), abs=5)
        assert (found["without"], found["closed"]) == (0, 0)
        assert readers.count() == {"bytes": 0, "without": 2, "closed": 0}

        served[0].close()
        for turn in range(21, 2_000):
            readers.turn(began + 10 + turn * TICK_S)
        assert readers.count()["closed"] == 1
        served[1].close()
        readers.close()
