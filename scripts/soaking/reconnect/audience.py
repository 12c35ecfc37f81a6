"""Subscribers in one process, each of which is made anew again and again: a child process.

What they get is written to a file before it counts. So a process that is killed has lost nothing
but what it had not got, and the next one reads there how far each of them was.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fanout
import fanout.asyncio
from benchmarks.channel import ChannelClosed
from benchmarks.children import run_child
from soaking.reconnect.people import Person, record_of, records_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.channel import Channel
    from fanout import Message

MANY = 200
LOOK_S = 0.1  # how often somebody who gets nothing looks whether it is to be made anew
LIFE_S = (0.5, 8.0)
CUT_SHARE = 0.3  # of the times that one would be made anew: its connections are cut instead
ALL = "-3600s"  # of who has got nothing yet


class Blocking:
    """A blocking subscriber, which waits on a thread."""

    def __init__(self, executor: ThreadPoolExecutor, endpoints: list[str], **options: Any) -> None:
        self._executor = executor
        self._subscriber = fanout.Subscriber(endpoints, **options)
        self.connections = self._subscriber._reading._polling.connections

    async def recv_many(self, limit: int, timeout: float) -> list[Message]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._executor, self._subscriber.recv_many, limit, timeout
        )

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._executor, self._subscriber.close)


class Audience:
    """All of one process."""

    def __init__(self, channel: Channel, arguments: dict[str, Any]) -> None:
        self._channel = channel
        self._endpoints: list[str] = arguments["endpoints"]
        self._people = [Person(number) for number in arguments["people"]]
        self._random = random.Random(arguments["seed"])
        self._positions: dict[int, tuple[int, int]] = {}
        path = Path(arguments["path"])
        if path.exists():
            for record in records_in(path.read_bytes()):
                self._positions[record.person] = record.epoch, record.sequence
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._executor = ThreadPoolExecutor(len(self._people))
        self._is_calm = False
        self._made = 0
        self._over = asyncio.Event()

    async def run(self) -> None:
        """Until the harness ends it."""
        asyncio.get_running_loop().add_reader(self._channel.fileno(), self._answer)
        tasks = [asyncio.create_task(self._live(person)) for person in self._people]
        self._channel.send(ready=True)
        over = asyncio.create_task(self._over.wait())
        done, _ = await asyncio.wait([over, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    def _answer(self) -> None:
        try:
            request = self._channel.receive()
            if request["do"] == "calm":
                self._is_calm = True
            else:
                epoch, published = request["epoch"], request["published"]
                self._channel.send(made=self._made, behind=self._behind(epoch, published))
        except ChannelClosed:
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            self._over.set()

    def _behind(self, epoch: int, published: int) -> list[int]:
        """Those that have not got the last one of so many messages that they want."""
        behind = []
        for person in self._people:
            wanted = next((n for n in range(published - 1, -1, -1) if person.has(n)), None)
            is_in, at = self._positions.get(person.number, (None, -1))
            if wanted is not None and (is_in != epoch or at < wanted):
                behind.append(person.number)
        return behind

    async def _live(self, person: Person) -> None:
        while True:
            subscriber, connections = await self._make(person)
            try:
                await self._receive(person, subscriber, connections)
            finally:
                await subscriber.close()
            await asyncio.sleep(self._random.uniform(0, 0.5))

    async def _make(self, person: Person) -> tuple[Any, Any]:
        self._made += 1
        endpoints = self._endpoints if person.doubly else self._endpoints[:1]
        since = self._positions.get(person.number, ALL)
        options: dict[str, Any] = {"topics": person.wants, "since": since}
        if not person.awaited:
            made = Blocking(self._executor, endpoints, **options)
            return made, made.connections
        subscriber = await fanout.asyncio.Subscriber.start(endpoints, **options)
        return subscriber, subscriber._connections

    async def _receive(self, person: Person, subscriber: Any, connections: Any) -> None:
        until = time.monotonic() + self._random.uniform(*LIFE_S)
        while self._is_calm or time.monotonic() < until:
            with suppress(TimeoutError):
                self._keep(person, await subscriber.recv_many(MANY, LOOK_S))
            if not self._is_calm and time.monotonic() >= until:
                if self._random.random() > CUT_SHARE:
                    return
                until = time.monotonic() + self._random.uniform(*LIFE_S)
                self._cut(connections)

    def _cut(self, connections: Any) -> None:
        """End the connections, or one of them, as a network would."""
        for plug in connections._plugs:
            sock = plug.sock
            if sock is not None and self._random.random() < 0.7:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def _keep(self, person: Person, messages: Sequence[Message]) -> None:
        records = [record_of(person.number, message) for message in messages]
        os.write(self._file, b"".join(record.to_bytes() for record in records))
        self._positions[person.number] = records[-1].epoch, records[-1].sequence


def main(channel: Channel, arguments: Sequence[str]) -> None:
    """Runs the subscribers until the harness ends them."""
    audience = Audience(channel, json.loads(arguments[0]))
    asyncio.run(audience.run())
    os._exit(0)  # nobody waits for threads of subscribers that are of no use any more


if __name__ == "__main__":
    run_child(main)
