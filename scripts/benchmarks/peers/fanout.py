"""fanout, lossless: `publish` waits for the slowest matching subscriber."""

from __future__ import annotations

from itertools import islice

from benchmarks.peers.base import LOOPBACK, Peer
from benchmarks.traffic import PROBE_TOPIC, Traffic
from fanout import Publisher


class FanoutPeer(Peer):
    """A Publisher with its default workers; `batch` messages for each commit, 0 = publish()."""

    def __init__(self, traffic: Traffic, batch: int = 0, workers: int = 0) -> None:
        super().__init__(traffic)
        self._batch = batch
        # No heartbeats, as libzmq has none by default: a PING would be bytes too many in a count.
        self._publisher = Publisher(
            f"tcp://{LOOPBACK}:*", workers=workers, slow_policy="block", heartbeat_interval=0
        )

    def start(self) -> list[str]:
        return [endpoint.removeprefix("tcp://") for endpoint in self._publisher.endpoints]

    def probe(self) -> None:
        self._publisher.publish(PROBE_TOPIC, self.traffic.probe_payload)

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
