"""fanout, lossless by default: `publish` waits for the slowest matching subscriber."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from benchmarks.peers.base import LOOPBACK, Peer
from fanout import Publisher
from fanout.options import Options

if TYPE_CHECKING:
    from benchmarks.traffic import Traffic

HEARTBEAT_SECONDS = Options.heartbeat_interval


class FanoutPeer(Peer):
    """A Publisher; `batch` messages for each commit, 0 = publish() one by one.

    By default without heartbeats, as libzmq has none: a PING would be bytes too many in a count.
    """

    def __init__(
        self,
        traffic: Traffic,
        batch: int = 0,
        workers: int = 0,
        block: int = 1,
        heartbeats: int = 0,
        send_timeout: int = 5,
    ) -> None:
        super().__init__(traffic)
        self._batch = batch
        self._publisher = Publisher(
            f"tcp://{LOOPBACK}:*",
            workers=workers,
            slow_policy="block" if block else "drop_oldest",
            send_timeout=send_timeout,
            heartbeat_interval=HEARTBEAT_SECONDS if heartbeats else 0,
        )

    def start(self) -> list[str]:
        return [endpoint.removeprefix("tcp://") for endpoint in self._publisher.endpoints]

    def send(self, topic: bytes, payload: bytes) -> None:
        self._publisher.publish(topic, payload)

    def publish(self, count: int) -> None:
        if self._batch:
            self._publish_batches(count)
            return
        publish, payload = self._publisher.publish, self.traffic.payload
        for topic in self.traffic.topics_of(count):
            publish(topic, payload)

    def _publish_batches(self, count: int) -> None:
        topics, payload = self.traffic.topics_of(count), self.traffic.payload
        while chunk := list(islice(topics, self._batch)):
            with self._publisher.batch() as batch:
                for topic in chunk:
                    batch.publish(topic, payload)

    def close(self) -> None:
        self._publisher.stop()
