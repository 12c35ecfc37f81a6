"""fanout, lossless by default: `publish` waits for the slowest matching subscriber."""

from __future__ import annotations

import contextlib
import os
import signal
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any

from benchmarks.peers.base import LOOPBACK, Peer
from benchmarks.traffic import PROBE_TOPIC
from benchmarks.wire import CERTIFICATE, CERTIFICATE_KEY, DIALECTS, SERVER_SECRET
from fanout import FanoutError, Publisher, auth
from fanout.observe.attach import attach
from fanout.options import Options
from fanout.shm.worker_slot import WorkerState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.traffic import Traffic
    from fanout.observe.rows import WorkerRow

HEARTBEAT_SECONDS = Options.heartbeat_interval
# A batch is written to the log as a whole: a sixteenth of it (64 MiB by default) leaves room for
# the next while the last ones are being sent, and is far below the quarter that a batch may take.
BATCH_BYTES = 4 * 1024 * 1024
ACTIONS = "drop_oldest", "block"
SEALED_LIMIT_BYTES = 256 * 1024  # what waits for a sealed subscriber then is out within a second


class FanoutPeer(Peer):
    """A Publisher; at most `batch` messages for each commit, 0 = publish() one by one.

    By default without heartbeats, as libzmq has none: a PING would be bytes too many in a count.
    With `sealed_port` others may come there, by CURVE. `limits` are those of its policy.
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
        port: int = 0,
        curve: int = 0,
        tls: int = 0,
        sealed_port: int = 0,
        multipart: int = 0,
        worker_timeout: int = 0,
        **limits: int,
    ) -> None:
        super().__init__(traffic)
        message_bytes = DIALECTS["zmtp"].message_bytes(len(PROBE_TOPIC), traffic.payload_bytes)
        self._multipart = multipart
        self._batch = messages_per_batch(batch, message_bytes)
        # Versions that are compared with this one may not have them.
        others: dict[str, Any] = {"worker_timeout": worker_timeout} if worker_timeout else {}
        sealed = f"tcp://{LOOPBACK}:{sealed_port}"
        if sealed_port:  # who comes there loses what is too much, and holds nobody up
            from fanout import SlowPolicy, SlowRule  # as above

            losing = SlowPolicy("drop_oldest", limit_bytes=SEALED_LIMIT_BYTES)
            others["slow_rules"] = [SlowRule(losing, endpoint=sealed)]
        if tls:
            others["tls"] = auth.Tls(CERTIFICATE, CERTIFICATE_KEY)
        self._publisher = Publisher(
            f"{'tls' if tls else 'tcp'}://{LOOPBACK}:{port or '*'}",
            security=auth.Curve(SERVER_SECRET) if curve else None,
            **others,
            workers=workers,
            worker_nice=worker_nice,
            slow_policy=policy_of("conflate" if conflate else ACTIONS[block], limits),
            slow_limit_bytes=slow_limit_bytes,
            kernel_queue_bytes=kernel_bytes,
            send_timeout=send_timeout,
            stall_timeout=max(send_timeout, 30),
            tcp_user_timeout=max(send_timeout, 30),
            heartbeat_interval=HEARTBEAT_SECONDS if heartbeats else 0,
        )
        if sealed_port:
            self._publisher.bind(sealed, security=auth.Curve(SERVER_SECRET))

    def start(self) -> list[str]:
        return [self._publisher.endpoints[0].partition("://")[2]]

    def send(self, topic: bytes, payload: bytes) -> None:
        self._publisher.publish(topic, payload)

    def publish(self, count: int) -> None:
        if self._batch:
            self._publish_batches(count)
            return
        topics, payload = self.traffic.topics_of(count), self.traffic.payload
        if self._multipart:
            send = self._publisher.send_multipart
            for topic in topics:
                send([topic, payload])
            return
        publish = self._publisher.publish
        for topic in topics:
            publish(topic, payload)

    def lose_worker(self, how: int = signal.SIGKILL) -> list[str]:
        everybody = self._publisher.subscribers()
        serving = everybody[0].worker
        pid = self._publisher.statistics().workers[serving].pid
        served = [one.peer for one in everybody if one.worker == serving]
        os.kill(pid, how)
        return served

    def move_few(self) -> None:
        everybody = self._publisher.subscribers()
        most = max(one.subscriptions for one in everybody)
        workers = len(self._look())
        for one in everybody:
            if one.subscriptions == most:
                self._publisher.move(one.id, (one.worker + 1) % workers)

    def spread(self) -> None:
        everybody = self._publisher.subscribers()
        workers = len(self._look())
        most = -(-len(everybody) // workers)
        served = Counter(one.worker for one in everybody)
        for one in everybody:
            if served[one.worker] > most:
                fewest = min(range(workers), key=served.__getitem__)
                with contextlib.suppress(FanoutError):  # it may leave, or say something, just now
                    self._publisher.move(one.id, fewest)
                served[one.worker] -= 1
                served[fewest] += 1

    def is_ready(self) -> bool:
        return all(worker.pid and worker.state is WorkerState.READY for worker in self._look())

    def _look(self) -> list[WorkerRow]:
        return attach(os.getpid()).workers()

    def _publish_batches(self, count: int) -> None:
        topics, payload = self.traffic.topics_of(count), self.traffic.payload
        while chunk := list(islice(topics, self._batch)):
            with self._publisher.batch() as batch:
                for topic in chunk:
                    batch.publish(topic, payload)

    def close(self) -> None:
        self._publisher.stop()


def policy_of(action: str, limits: Mapping[str, int]) -> Any:
    """For a `Publisher`: an action alone, unless there are limits, by the names of a policy's."""
    if not limits:
        return action
    from fanout import SlowPolicy  # versions that are compared with this one may not have it

    return SlowPolicy(action, **limits)  # type: ignore[arg-type]  # one of its actions


def messages_per_batch(most: int, message_bytes: int) -> int:
    """How many messages of so many bytes go into one batch, 0 if there are to be no batches."""
    return min(most, max(1, BATCH_BYTES // message_bytes))
