"""A ZMTP 1.0 peer that is slow: its stream is re-framed, cut anywhere, and stays whole."""

from __future__ import annotations

from fanout import Publisher
from tests.helpers.raw import SIGNATURE, RawPeer
from tests.helpers.waiting import DEADLINE_S, wait_until

SIZES = (0, 1, 252, 253, 254, 255, 256, 4000)


def connect(publisher: Publisher) -> RawPeer:
    """A ZMTP 1.0 peer with a small window."""
    peer = RawPeer(publisher.endpoints[0], receive_buffer=4096)
    peer.send(b"\x01\x00")
    peer.expect(SIGNATURE)
    publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
    return peer


def message(number: int) -> list[bytes]:
    """Its size depends on its number."""
    return [b"%d" % number, b"x" * SIZES[number % len(SIZES)], b"y" * SIZES[number // 8 % 8]]


def test_a_slow_peer_gets_every_message_whole() -> None:
    with (
        Publisher(
            "tcp://127.0.0.1:*",
            workers=1,
            log_bytes=1 << 20,
            kernel_queue_bytes=4096,
            slow_policy="block",
            allow_zmtp_1=True,
        ) as publisher,
        connect(publisher) as peer,
    ):
        published = 0
        while not any(one.blocked_s for one in publisher.subscribers()):
            for number in range(published, published + 500):
                publisher.send_multipart(message(number))
            published += 500
        assert [peer.read_message_1() for _ in range(published)] == [
            message(number) for number in range(published)
        ]
        wait_until(lambda: publisher.subscribers()[0].sent == published, "all is counted")
        only = publisher.subscribers()[0]
        assert (only.matched, only.sent, only.dropped) == (published, published, 0)
        assert only.version == "1.0"


def test_a_peer_that_loses_messages_loses_whole_ones() -> None:
    count = 20_000
    with (
        Publisher(
            "tcp://127.0.0.1:*",
            workers=1,
            log_bytes=1 << 18,
            kernel_queue_bytes=4096,
            allow_zmtp_1=True,
        ) as publisher,
        connect(publisher) as peer,
    ):
        for number in range(count):
            publisher.send_multipart(message(number))
        publisher.send_multipart([b"last"])
        got = []
        while (frames := peer.read_message_1()) != [b"last"]:
            assert frames == message(int(frames[0]))
            got.append(int(frames[0]))
        assert got == sorted(set(got))
        assert got[-1] == count - 1
        only = wait_until(
            lambda: [one for one in publisher.subscribers() if not one.queued],
            "all is counted",
        )[0]
        assert (only.sent, only.dropped) == (len(got) + 1, count - len(got))
        assert only.dropped > 0
