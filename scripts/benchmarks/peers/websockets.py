"""Python's websockets: `broadcast` to every connection from one asyncio loop."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import Server, ServerConnection, broadcast, serve

from benchmarks.peers.base import BACKLOG, LOOPBACK, Peer

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from benchmarks.traffic import Traffic

MAX_QUEUED_BYTES = 256 * 1024  # in a transport, before the publisher waits: broadcast never does
START_SECONDS = 10.0


class WebsocketsPeer(Peer):
    """The loop runs in a thread, because the adapter's caller blocks; topic and payload in one."""

    def __init__(self, traffic: Traffic) -> None:
        super().__init__(traffic)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: Server | None = None

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def start(self) -> list[str]:
        self._thread.start()
        self._do(self._serve())
        assert self._server is not None
        return [f"{LOOPBACK}:{next(iter(self._server.sockets)).getsockname()[1]}"]

    async def _serve(self) -> None:
        # No keep-alive pings and no compression: they would be bytes that nobody counts on.
        self._server = await serve(
            self._idle, LOOPBACK, 0, compression=None, ping_interval=None, backlog=BACKLOG
        )

    @staticmethod
    async def _idle(connection: ServerConnection) -> None:
        await connection.wait_closed()

    def send(self, topic: bytes, payload: bytes) -> None:
        self._do(self._broadcast([topic + payload]))

    def publish(self, count: int) -> None:
        payload = self.traffic.payload
        self._do(self._broadcast(topic + payload for topic in self.traffic.topics_of(count)))

    async def _broadcast(self, messages: Iterable[bytes]) -> None:
        assert self._server is not None
        connections = list(self._server.connections)
        queued = 0
        for message in messages:
            broadcast(connections, message)
            queued += len(message)
            if queued > MAX_QUEUED_BYTES:
                queued = await self._flushed(connections)

    @staticmethod
    async def _flushed(connections: list[ServerConnection]) -> int:
        """Waits until no transport holds more than the limit; returns what the fullest holds."""
        while True:
            await asyncio.sleep(0)
            sizes = [one.transport.get_write_buffer_size() for one in connections]
            queued: int = max(sizes)
            if queued <= MAX_QUEUED_BYTES:
                return queued

    def close(self) -> None:
        if self._server is not None:
            self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_SECONDS)
