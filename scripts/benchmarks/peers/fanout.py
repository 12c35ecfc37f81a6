"""fanout, lossless by default: `publish` waits for the slowest matching subscriber."""

from __future__ import annotations

import os
import signal
from itertools import islice
from typing import TYPE_CHECKING

from benchmarks.peers.base import LOOPBACK, Peer
from benchmarks.traffic import PROBE_TOPIC
from benchmarks.wire import DIALECTS
from fanout import Publisher
from fanout.options import Options

if TYPE_CHECKING:
    from benchmarks.traffic import Traffic

HEARTBEAT_SECONDS = Options.heartbeat_interval
# A batch is written to the log as a whole: a sixteenth of it (64 MiB by default) leaves room for
# the next while the last ones are being sent, and is far below the quarter that a batch may take.
BATCH_BYTES = 4 * 1024 * 1024


class FanoutPeer(Peer):
    """A Publisher; at most `batch` messages for each commit, 0 = publish() one by one.

    By default without heartbeats, as libzmq has none: a PING would be bytes too many in a count.
    """

    def __init__(
        self,
        traffic: Traffic,
        batch: int = 0,
        workers: int = 0,
        worker_nice: int = 0,
        block: int = 1,
        heartbeats: int = 0,
        send_timeout: int = 5,
        slow_limit_bytes: int = Options.slow_limit_bytes,
        conflate: int = 0,
        kernel_bytes: int = Options.kernel_queue_bytes,
    ) -> None:
        super().__init__(traffic)
        message_bytes = DIALECTS["zmtp"].message_bytes(len(PROBE_TOPIC), traffic.payload_bytes)
        self._batch = messages_per_batch(batch, message_bytes)
        self._publisher = Publisher(
            f"tcp://{LOOPBACK}:*",
            workers=workers,
            worker_nice=worker_nice,
            slow_policy="conflate" if conflate else "block" if block else "drop_oldest",
            slow_limit_bytes=slow_limit_bytes,
            kernel_queue_bytes=kernel_bytes,
            send_timeout=send_timeout,
            stall_timeout=max(send_timeout, 30),
            tcp_user_timeout=max(send_timeout, 30),
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

    def lose_worker(self) -> None:
        serving = self._publisher.subscribers()[0].worker
        os.kill(self._publisher.statistics().workers[serving].pid, signal.SIGKILL)

    def _publish_batches(self, count: int) -> None:
        topics, payload = self.traffic.topics_of(count), self.traffic.payload
        while chunk := list(islice(topics, self._batch)):
            with self._publisher.batch() as batch:
                for topic in chunk:
                    batch.publish(topic, payload)

    def close(self) -> None:
        self._publisher.stop()


def messages_per_batch(most: int, message_bytes: int) -> int:
    """How many messages of so many bytes go into one batch, 0 if there are to be no batches."""
    return min(most, max(1, BATCH_BYTES // message_bytes))
