"""Subscribers are moved from worker to worker at full rate, and do not notice.

Each compares every byte of its stream with what it must get; PINGs are answered once and in order.
"""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

import fanout.asyncio
from fanout import ConfigError, EventKind, NotMovedError, Publisher
from tests.faults.test_takeover import Faults
from tests.helpers.raw import RawPeer, command
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from pathlib import Path


def move_some(faults: Faults, count: int) -> int:
    """Move somebody, chosen by chance, so often; returns how often that was possible."""
    moved = 0
    for _ in range(count):
        faults.publish_for(0.01)
        one = faults.rng.choice(faults.publisher.subscribers())
        try:
            faults.publisher.move(one.id, 1 - one.worker)
        except NotMovedError:  # while only one serves
            continue
        moved += 1
    return moved


def test_streams_go_on_at_full_rate_when_they_are_moved_and_workers_are_killed() -> None:
    faults = Faults(10, 1)
    with faults.publisher as publisher, faults.audience:
        moved = move_some(faults, 20)
        faults.hit(faults.pids()[:1], signal.SIGKILL)
        move_some(faults, 5)
        faults.publish_until(lambda: faults.has_lost(1))
        faults.end()
        totals = publisher.statistics()
        told = faults.happenings.wait_for(EventKind.SUBSCRIBER_MOVED, totals.moved)
        assert moved == 20
        assert totals.moved == len(told) >= 20
        assert totals.not_resumed == 0


def test_who_is_on_a_unix_socket_is_moved_too(tmp_path: Path) -> None:
    """The kernel does not count its bytes; its worker has."""
    endpoint = f"ipc://{tmp_path}/feed"

    async def move() -> None:
        async with fanout.asyncio.Publisher(endpoint, workers=2, log_bytes=1 << 20) as publisher:
            with await asyncio.to_thread(RawPeer.version_3, endpoint, b"A") as peer:
                await publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
                for number in range(4):
                    await publisher.publish(b"A", b"%d" % number)
                    (one,) = await publisher.subscribers()
                    await publisher.move(one.id, 1 - one.worker)
                    await publisher.publish(b"A", b"then")
                    assert await asyncio.to_thread(peer.read_message) == [b"A", b"%d" % number]
                    assert await asyncio.to_thread(peer.read_message) == [b"A", b"then"]
                (one,) = await publisher.subscribers()
                assert (one.matched, one.sent) == (8, 8)
                assert (await publisher.statistics()).moved == 4

    asyncio.run(move())


def test_what_cannot_be_moved_says_why_and_is_served_on() -> None:
    with (
        Publisher("tcp://127.0.0.1:*", workers=2, log_bytes=1 << 20) as publisher,
        RawPeer.version_3(publisher.endpoints[0], b"A") as peer,
    ):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        (one,) = publisher.subscribers()
        other = 1 - one.worker
        with pytest.raises(ConfigError, match="no subscriber 99 is connected"):
            publisher.move(99, other)
        with pytest.raises(ConfigError, match="there are 0 to 1"):
            publisher.move(one.id, 2)
        with pytest.raises(TypeError):
            publisher.move(one.id, "1")  # type: ignore[arg-type]
        peer.say_half()
        with pytest.raises(NotMovedError, match="in the middle of something that it says"):
            publisher.move(one.id, other)
        publisher.publish(b"A", b"1")
        assert peer.read_message() == [b"A", b"1"]
        peer.send(bytes(60_000 - 1) + command(b"PING", b"\0\0" + b"x" * 16)[:9])
        publisher.move(one.id, other)
        publisher.publish(b"A", b"2")
        assert peer.read_message() == [b"A", b"2"]
        peer.send(command(b"PING", b"\0\0" + b"x" * 16)[9:])
        peer.expect(command(b"PONG", b"x" * 16))
        (one,) = publisher.subscribers()
        assert one.worker == other
