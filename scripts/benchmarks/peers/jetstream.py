"""nats-server with JetStream: beside those who have subscribed, a stream in memory gets it all.

Publishers await no acknowledgement, as those of the plain nats-server do not.
"""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING, Any

from benchmarks.peers.base import LOOPBACK
from benchmarks.peers.broker import FEED_SECONDS
from benchmarks.peers.nats import NatsPeer
from benchmarks.wire import JETSTREAM_STREAM, JETSTREAM_SUBJECTS, NATS_CONNECT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.traffic import Traffic

JETSTREAM = """
jetstream {{
  store_dir: "{directory}"
  max_memory_store: 2GB
}}
"""
KEPT_BYTES = 64 * 1024 * 1024  # of the stream: as much as the log of fanout has
ANSWERS = b"_INBOX.answers"
API = b"$JS.API."


class JetStreamPeer(NatsPeer):
    """One stream of all that is published; with `last`, of the last message of each subject."""

    more = JETSTREAM

    def __init__(self, traffic: Traffic, last: int = 0, kept_bytes: int = KEPT_BYTES) -> None:
        super().__init__(traffic)
        self._last = last
        self._kept_bytes = kept_bytes
        self._api: Api | None = None

    def start(self) -> list[str]:
        endpoints = super().start()
        self._api = Api(self._port)
        kept = {"max_msgs_per_subject": 1} if self._last else {"max_bytes": self._kept_bytes}
        self._ask(
            f"STREAM.CREATE.{JETSTREAM_STREAM}",
            name=JETSTREAM_STREAM,
            subjects=[JETSTREAM_SUBJECTS],
            storage="memory",
            **kept,
        )
        return endpoints

    def keep(self, values: Mapping[bytes, bytes]) -> None:
        """Publish these, and wait until the stream has all of them."""
        self._write(b"".join(self.publication(*pair) for pair in values.items()))
        self.await_kept(len(values))

    def await_kept(self, count: int) -> None:
        """Wait until the stream has so many messages.

        Raises:
            TimeoutError: it does not get them.
        """
        deadline = time.monotonic() + FEED_SECONDS
        while self.kept < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"JetStream has {self.kept:,} of {count:,} messages")

    @property
    def kept(self) -> int:
        """How many messages the stream has."""
        info = self._ask(f"STREAM.INFO.{JETSTREAM_STREAM}")
        return int(info["state"]["messages"])

    @property
    def delivered(self) -> int:
        """How many messages its consumers were sent, all together."""
        subject = f"CONSUMER.LIST.{JETSTREAM_STREAM}"
        delivered = seen = 0
        while True:
            page = self._ask(subject, offset=seen)
            delivered += sum(int(one["delivered"]["consumer_seq"]) for one in page["consumers"])
            seen += len(page["consumers"])
            if seen >= page["total"] or not page["consumers"]:
                return delivered

    def _ask(self, subject: str, **what: object) -> dict[str, Any]:
        assert self._api is not None
        return self._api.ask(subject, **what)

    def close(self) -> None:
        if self._api is not None:
            self._api.close()
        super().close()


class Api:
    """Asks JetStream, on a connection of its own, one question at a time."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((LOOPBACK, port), FEED_SECONDS)
        self._lines = self._socket.makefile("rb")
        self._socket.sendall(NATS_CONNECT + b"SUB %b 1\r\n" % ANSWERS)

    def ask(self, subject: str, **what: object) -> dict[str, Any]:
        """What it answers.

        Raises:
            RuntimeError: it says that something is wrong.
        """
        body = json.dumps(what).encode() if what else b""
        command = b"PUB %b%b %b %d\r\n%b\r\n"
        self._socket.sendall(command % (API, subject.encode(), ANSWERS, len(body), body))
        answer: dict[str, Any] = json.loads(self._next_message())
        if "error" in answer:
            raise RuntimeError(f"JetStream answers {subject} with {answer['error']}")
        return answer

    def _next_message(self) -> bytes:
        while line := self._lines.readline():
            if line.startswith(b"MSG "):
                return self._lines.read(int(line.split()[-1]) + len(b"\r\n"))
            if line.startswith(b"-ERR"):
                raise RuntimeError(f"nats-server says {line.decode().strip()}")
        raise ConnectionError("nats-server has closed the connection")

    def close(self) -> None:
        """End the connection."""
        self._lines.close()
        self._socket.close()
