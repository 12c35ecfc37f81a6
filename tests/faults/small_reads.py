"""Subscribers that read in random small pieces, and never stop: none of them may be evicted.

Each is a raw connection under `slow_policy="block"`. Its receive buffer, the kernel's queue for it
and the sizes of messages and pieces are chosen by chance, and each byte is compared with what was
published. Run by hand for long:

    python -m tests.faults.small_reads --runs 1000
"""

from __future__ import annotations

import argparse
import select
import sys
import threading
import time
from contextlib import ExitStack
from random import Random
from typing import Any

from fanout import EventKind, Publisher
from fanout.zmtp.frames import encode_message
from tests.helpers.happenings import Happenings
from tests.helpers.raw import RawPeer
from tests.helpers.waiting import DEADLINE_S

AT_ONCE = 20  # subscribers of one publisher
PIECES = (700, 3_000, 9_000, 70_000)  # bytes that are read at once, at most
STREAM_BYTES = 1_500_000  # for each subscriber: several times what kernels hold


class Reader:
    """One subscriber, and how far it has come."""

    def __init__(self, endpoint: str, rng: Random) -> None:
        self.peer = RawPeer.version_3(endpoint, b"", receive_buffer=rng.choice((0, 0, 4096, 65536)))
        self.peer.socket.setblocking(False)
        self.most = rng.choice(PIECES)
        self.taken = 0

    def read(self, stream: bytes, rng: Random) -> None:
        """Read one piece; it must be what comes next."""
        piece = self.peer.socket.recv(rng.randint(1, self.most))
        assert piece, f"closed after {self.taken:,} of {len(stream):,} bytes"
        assert piece == stream[self.taken : self.taken + len(piece)]
        self.taken += len(piece)


def one_round(rng: Random, send_timeout: float) -> None:
    """Some subscribers read one stream to its end.

    Raises:
        AssertionError: one was evicted, or read something else.
    """
    size = rng.choice((20, 700, 20_000, 400_000))
    messages = [b"%d." % number + bytes(size) for number in range(STREAM_BYTES // size)]
    stream = b"".join(encode_message([b"t", message]) for message in messages)
    happenings = Happenings()
    options: dict[str, Any] = {
        "log_bytes": 2 << 20,
        "kernel_queue_bytes": rng.choice((4096, 65536, 262144)),
        "send_timeout": send_timeout,
    }
    with (
        Publisher(
            *("tcp://127.0.0.1:*",),
            workers=1,
            slow_policy="block",
            heartbeat_interval=0,
            on_event=happenings,
            **options,
        ) as publisher,
        ExitStack() as stack,
    ):
        readers = [Reader(publisher.endpoints[0], rng) for _ in range(AT_ONCE)]
        for reader in readers:
            stack.enter_context(reader.peer)
        publisher.wait_for_subscribers(AT_ONCE, timeout=DEADLINE_S)
        feed = threading.Thread(target=_publish, args=(publisher, messages))
        feed.start()
        try:
            _read_all(readers, stream, rng)
        finally:
            if sys.exc_info()[0]:
                publisher.stop()
                print(*happenings.events, sep="\n")  # why one was closed
            feed.join()
        assert not happenings.of(EventKind.SUBSCRIBER_EVICTED)


def _publish(publisher: Publisher, messages: list[bytes]) -> None:
    for message in messages:
        publisher.publish(b"t", message)


def _read_all(readers: list[Reader], stream: bytes, rng: Random) -> None:
    poll = select.poll()
    left = {reader.peer.socket.fileno(): reader for reader in readers}
    for descriptor in left:
        poll.register(descriptor, select.POLLIN)
    while left:
        ready = poll.poll(DEADLINE_S * 1000)
        assert ready, "nothing more arrives"
        for descriptor, _events in ready:
            left[descriptor].read(stream, rng)
            if left[descriptor].taken == len(stream):
                poll.unregister(descriptor)
                del left[descriptor]


def main() -> int:
    """Run so many subscribers, and say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--runs", type=int, default=AT_ONCE, help="subscribers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--send-timeout", type=float, default=5.0)
    arguments = parser.parse_args()
    began = time.monotonic()
    for seed in range(arguments.seed, arguments.seed + -(-arguments.runs // AT_ONCE)):
        try:
            one_round(Random(seed), arguments.send_timeout)
        except BaseException:
            print(f"failed: python -m tests.faults.small_reads --seed {seed}")
            raise
    print(f"{arguments.runs} subscribers in {time.monotonic() - began:.0f} s, none was evicted")
    return 0


if __name__ == "__main__":
    sys.exit(main())
