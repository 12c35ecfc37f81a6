"""A broker as a peer: a program that listens, and a feeder that pipelines publish commands.

The feeder writes blocks of many ready-made commands, which is the most that any client can do.
"""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.children import die_with_parent
from benchmarks.peers.base import LOOPBACK, Peer, free_port

if TYPE_CHECKING:
    from benchmarks.traffic import Traffic

START_SECONDS = 10.0
STOP_SECONDS = 5.0
RETRY_SECONDS = 0.02
FEED_SECONDS = 120.0
BLOCK_BYTES = 256 * 1024  # of commands in one write


class BrokerPeer(Peer):
    """Starts the broker on a free port in a directory of its own, and feeds it."""

    def __init__(self, traffic: Traffic) -> None:
        super().__init__(traffic)
        self._directory = tempfile.TemporaryDirectory(prefix="fanout-bench-")
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._feed: socket.socket | None = None

    @abstractmethod
    def command_line(self, port: int, directory: Path) -> list[str]:
        """Starts the broker in the foreground."""

    @abstractmethod
    def publication(self, topic: bytes, payload: bytes) -> bytes:
        """The command that publishes one message."""

    @abstractmethod
    def introduce(self, feed: socket.socket) -> None:
        """What the feeder says first."""

    def start(self) -> list[str]:
        command = self.command_line(self._port, Path(self._directory.name))
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent,  # safe: there are no threads here yet
        )
        self._feed = self._connect()
        self.introduce(self._feed)
        return [f"{LOOPBACK}:{self._port}"]

    def _connect(self) -> socket.socket:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return socket.create_connection((LOOPBACK, self._port), FEED_SECONDS)
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_SECONDS)

    def _write(self, data: bytes) -> None:
        assert self._feed is not None
        self._feed.sendall(data)

    def send(self, topic: bytes, payload: bytes) -> None:
        self._write(self.publication(topic, payload))

    def publish(self, count: int) -> None:
        payload = self.traffic.payload
        lap = [self.publication(topic, payload) for topic in self.traffic.schedule]
        laps = max(1, BLOCK_BYTES // sum(map(len, lap)))
        block, messages = b"".join(lap) * laps, len(lap) * laps
        while count >= messages:
            self._write(block)
            count -= messages
        self._write(
            b"".join(self.publication(topic, payload) for topic in self.traffic.topics_of(count))
        )

    def close(self) -> None:
        if self._feed is not None:
            self._feed.close()
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._directory.cleanup()
