"""What last values cost who publishes, and who has them for newcomers: a child process of its own.

By hand they are a dict beside an XPUB socket, which sends the value again when somebody subscribes:
to all who want the topic, for that is what an XPUB can do. redis has them as keys beside its
channels, and who comes asks for them; JetStream has a stream of them, and who comes gets a consumer
of it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from benchmarks.children import run_child
from benchmarks.peers.base import BACKLOG, LOOPBACK, port_of
from benchmarks.traffic import PROBE_TOPIC, Traffic, topic_name
from benchmarks.value_brokers import KEEPERS, serve_by_broker
from benchmarks.verb_costs import compare, timer_of
from benchmarks.verbs import CALLS, IN_A_BATCH, PAYLOAD
from fanout.compiled import is_compiled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.channel import Channel, Message
    from fanout import Publisher

TOPICS = [topic_name(index) for index in range(1000)]
STRETCH = [TOPICS[index % len(TOPICS)] for index in range(CALLS)]
PROBE = Traffic(0, len(PAYLOAD)).probe_payload
PATIENCE_SECONDS = 60.0
PURE, BY_HAND = "fanout, pure Python", "XPUB and dict"


def publish(publisher: Publisher) -> None:
    """A stretch of calls, one by one."""
    call = publisher.publish
    for topic in STRETCH:
        call(topic, PAYLOAD)


def publish_batches(publisher: Publisher) -> None:
    """The same in batches."""
    for first in range(0, CALLS, IN_A_BATCH):
        with publisher.batch() as batch:
            call = batch.publish
            for topic in STRETCH[first : first + IN_A_BATCH]:
                call(topic, PAYLOAD)


class ByHand:
    """An XPUB socket, and a dict if there are to be values."""

    def __init__(self, *, keeps: bool) -> None:
        import zmq

        self._more = zmq.SNDMORE
        self._context = zmq.Context()
        self.socket = self._context.socket(zmq.XPUB)
        self.socket.setsockopt(zmq.XPUB_VERBOSE, 1)  # it hears of each newcomer
        self.socket.setsockopt(zmq.XPUB_NODROP, 1)
        self.socket.setsockopt(zmq.SNDTIMEO, int(PATIENCE_SECONDS * 1000))
        self.socket.setsockopt(zmq.BACKLOG, BACKLOG)
        self.port = self.socket.bind_to_random_port(f"tcp://{LOOPBACK}")
        self._values: dict[bytes, bytes] | None = {} if keeps else None
        self.repeated = 0

    def publish(self, topic: bytes, payload: bytes) -> None:
        """Send to all who want it, and keep it."""
        if self._values is not None:
            self._values[topic] = payload
        self.socket.send(topic, self._more)
        self.socket.send(payload)

    def probe(self) -> None:
        """Send a probe, which is no value."""
        self.socket.send_multipart([PROBE_TOPIC, PROBE])

    def hear(self) -> None:
        """Take what newcomers subscribe to, some at a time, and send what there is of that."""
        import zmq

        try:
            for _ in range(IN_A_BATCH):
                said = self.socket.recv(zmq.NOBLOCK)
                topic = said[1:]
                if said[:1] == b"\1" and self._values and topic in self._values:
                    self.socket.send_multipart([topic, self._values[topic]])
                    self.repeated += 1
        except zmq.Again:
            return

    def close(self) -> None:
        """End it."""
        self._context.destroy(linger=0)


def fanout(*, keeps: bool) -> Publisher:
    """A publisher that loses nothing."""
    from fanout import LastValues, Publisher

    return Publisher(
        f"tcp://{LOOPBACK}:*",
        slow_policy="block",
        heartbeat_interval=0,
        last_values=LastValues() if keeps else None,
    )


MAKERS: dict[str, Callable[..., Any]] = {"fanout": fanout, PURE: fanout, BY_HAND: ByHand}
LOOPS: dict[str, Callable[[Any], None]] = {"publish": publish, "batch": publish_batches}


def measure_calls(channel: Channel, peer: str, loop: str, pairs: int) -> None:
    """Have one with values and one without publish in turns, and send the figures of a call."""
    without, with_values = (MAKERS[peer](keeps=keeps) for keeps in (False, True))
    try:
        for publisher in (without, with_values):
            LOOPS[loop](publisher)  # from now on all topics are known
        timers = [timer_of(LOOPS[loop], publisher) for publisher in (without, with_values)]
        channel.send(**compare(loop, pairs, *timers), is_compiled=is_compiled())
    finally:
        without.close()
        with_values.close()


def publish_all(publisher: Publisher) -> int:
    """What everybody has a value of, once more, in one batch; returns when that began."""
    began_ns = time.monotonic_ns()
    with publisher.batch() as batch:
        for topic in (*TOPICS, PROBE_TOPIC):
            batch.publish(topic, PAYLOAD)
    return began_ns


def serve(channel: Channel, peer: str, keeps: int) -> None:
    """Have values of all topics, and do what the harness asks for; fanout's last is a probe."""
    if peer in KEEPERS:  # they have values, whether somebody wants them or not
        values = {**dict.fromkeys(TOPICS, PAYLOAD), PROBE_TOPIC: PROBE}
        serve_by_broker(channel, peer, values, (PROBE_TOPIC, PROBE))
        return
    publisher = MAKERS[peer](keeps=bool(keeps))
    try:
        for topic in TOPICS:
            publisher.publish(topic, PAYLOAD)
        if isinstance(publisher, ByHand):
            _serve_by_hand(channel, publisher)
            return
        publisher.publish(PROBE_TOPIC, PROBE)
        channel.send(port=port_of(publisher.endpoints[0]))
        while True:
            request = channel.receive()
            if request["do"] == "count":
                channel.send(count=publisher.statistics().from_snapshot)
            elif request["do"] == "all":
                channel.send(began_ns=publish_all(publisher))
            else:
                channel.send(sequence=publisher.publish(PROBE_TOPIC, PROBE))
    finally:
        publisher.close()


def _serve_by_hand(channel: Channel, publisher: ByHand) -> None:
    import zmq

    channel.send(port=publisher.port)
    poller = zmq.Poller()
    poller.register(publisher.socket, zmq.POLLIN)
    poller.register(channel, zmq.POLLIN)
    while True:
        ready = dict(poller.poll())
        if publisher.socket in ready:
            publisher.hear()
        if channel.fileno() in ready:
            channel.send(**_answer_by_hand(channel.receive(), publisher))


def _answer_by_hand(request: Message, publisher: ByHand) -> Message:
    if request["do"] == "count":
        return {"count": publisher.repeated}
    if publisher.repeated >= request["after"]:
        publisher.probe()
    return {}


def main(channel: Channel, arguments: Sequence[str]) -> None:
    """Measures calls, or serves."""
    if arguments[0] == "serve":
        serve(channel, arguments[1], int(arguments[2]))
    else:
        measure_calls(channel, arguments[1], arguments[0], int(arguments[2]))


if __name__ == "__main__":
    run_child(main)
