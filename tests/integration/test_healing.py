"""The subscriber against real publishers that disconnect it, lose workers and are started anew."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

import fanout.asyncio
from fanout import ClosedError, Publisher, Subscriber
from tests.helpers.programs import Program
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from fanout import Message

ANY = "tcp://127.0.0.1:*"
OPTIONS: dict[str, Any] = {"workers": 1, "log_bytes": 1 << 20, "sequence_frame": True}
S = DEADLINE_S


def received(subscriber: Subscriber, last: int) -> list[Message]:
    """All messages up to that number."""
    got: list[Message] = []
    while not got or (got[-1].sequence or 0) < last:
        got += subscriber.recv_many(timeout=S)
    return got


@pytest.mark.unmeasured
@pytest.mark.parametrize("topics", ["", ["A", "B"]])
def test_who_is_disconnected_again_and_again_misses_nothing(topics: Any) -> None:
    with (
        Publisher(ANY, **{**OPTIONS, "workers": 2}) as publisher,
        Subscriber(publisher.endpoints[0], topics) as subscriber,
    ):
        publisher.wait_for_subscribers(1, "B", timeout=S)
        last, known = -1, 0
        for number in range(6):
            for topic in ("A", "B", "C", "A"):
                last = publisher.publish(topic, b"%d" % number + bytes(2_000))
            served = publisher.subscribers()
            if number == 3:
                pid = publisher.statistics().workers[0].pid
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
            elif served and served[0].id != known:
                known = served[0].id
                publisher.disconnect(known)
            if number % 3 == 0:
                wait_until(lambda: publisher.statistics().subscribers == 1, "a subscriber")
        publisher.wait_for_subscribers(1, "B", timeout=S)
        last = publisher.publish("A", b"end")
        got = received(subscriber, last)
        step = [0, 1, 2, 3] if topics == "" else [0, 1, 3]
        assert [message.sequence for message in got] == [
            *(4 * number + one for number in range(6) for one in step),
            last,
        ]
        assert {message.gap for message in got} == {None}
        assert {message.kind for message in got} == {"live", "replayed"}
        assert subscriber.statistics().connections > 2


def test_of_a_publisher_that_was_started_anew_it_gets_all_there_is() -> None:
    with Publisher(ANY, **OPTIONS) as first:
        endpoint = first.endpoints[0]
        subscriber = Subscriber(endpoint)
        first.wait_for_subscribers(1, timeout=S)
        first.publish("A", b"0")
        assert subscriber.recv(S).kind == "live"
    with subscriber, Publisher(**OPTIONS) as second:
        for number in range(3):
            second.publish("A", b"%d" % number)
        second.bind(endpoint)
        got = received(subscriber, 2)
        assert [message.sequence for message in got] == [0, 1, 2]
        assert [message.kind for message in got] == ["replayed"] * 3
        assert [message.gap and message.gap.reason for message in got] == ["epoch", None, None]


@pytest.mark.parametrize("since", ["-60s", "-2", "position", (1, 5)])
def test_it_begins_where_it_is_told_to(since: Any) -> None:
    with Publisher(ANY, **OPTIONS) as publisher:
        for number in range(4):
            publisher.publish("A", b"%d" % number)
            publisher.publish("B", b"")
        with Subscriber(publisher.endpoints[0], "A", since="-60s") as subscriber:
            third = received(subscriber, 4)[2]
        wait_until(lambda: not publisher.statistics().subscribers, "its end")
        if since == "position":
            since = f"{third.epoch:016x}:{third.sequence}"
        with Subscriber(publisher.endpoints[0], "A", since=since) as subscriber:
            publisher.wait_for_subscribers(1, "A", timeout=S)
            last = publisher.publish("A", b"4")
            got = received(subscriber, last)
            expected = {"-60s": "01234", "-2": "234", (1, 5): "01234"}.get(since, "34")
            assert b"".join(message.payload for message in got).decode() == expected
            gap = got[0].gap
            assert (gap and gap.reason) == ("epoch" if since == (1, 5) else None)


def test_asyncio_is_healed_too() -> None:
    async def main() -> None:
        async with (
            fanout.asyncio.Publisher(ANY, **OPTIONS) as publisher,
            fanout.asyncio.Subscriber(publisher.endpoints[0], "A", since="-1") as subscriber,
        ):
            await publisher.wait_for_subscribers(1, "A", timeout=S)
            await publisher.publish("A", b"0")
            assert (await subscriber.recv(S)).payload == b"0"
            (served,) = await publisher.subscribers()
            await publisher.disconnect(served.id)
            await publisher.publish("A", b"1")
            message = await subscriber.recv(S)
            assert (message.payload, message.gap) == (b"1", None)

    asyncio.run(main())


PROGRAM = f"""
from fanout import Publisher

with Publisher("{ANY}", workers=1, log_bytes=1 << 20, sequence_frame=True) as publisher:
    publisher.publish("A", b"from a process that is killed")
    print(publisher.endpoints[0])
    input()
"""


def test_a_publisher_whose_process_is_killed_is_waited_for(tmp_path: Path) -> None:
    with Program(["-c", PROGRAM], tmp_path) as program:
        endpoint = program.line()
        subscriber = Subscriber(endpoint, since="-1")
        assert subscriber.recv(S).kind == "replayed"
    with subscriber:
        wait_until(lambda: subscriber.statistics().connected == 0, "the loss")
        with pytest.raises(TimeoutError):
            subscriber.recv(0)
        with Publisher(endpoint, **OPTIONS) as publisher:
            publisher.publish("A", b"from another")
            message = subscriber.recv(S)
            assert message.gap is not None
            assert (message.payload, message.gap.reason) == (b"from another", "epoch")
    with pytest.raises(ClosedError):
        subscriber.recv(0)
