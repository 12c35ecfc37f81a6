"""The control channel: what happens when something runs out."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from fanout.control import channel as channels
from fanout.control.channel import DESCRIPTORS_MAX, Channel, ChannelFull
from fanout.control.messages import Adopt, ControlError, Message, Subscriptions, WriteSlots, decode
from fanout.workers.main import _channel_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pair() -> Iterator[tuple[Channel, Channel]]:
    ours, theirs = (Channel(end) for end in Channel.pair())
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.mark.parametrize("number", [errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM])
def test_what_the_system_cannot_take_now_is_sent_later(
    pair: tuple[Channel, Channel], number: int
) -> None:
    """Too many descriptors in flight is what a storm of connections comes to."""
    ours, theirs = pair
    descriptor = os.dup(0)
    with mock.patch.object(ours, "_send_packet", side_effect=OSError(number, "short")):
        ours.send(Adopt(1, 2, "zmtp"), (descriptor,))
    assert not ours.closed
    assert ours.pending == 1

    assert ours.flush()

    ((message, descriptors),) = theirs.receive()
    assert message == Adopt(1, 2, "zmtp")
    assert len(descriptors) == 1
    os.close(descriptors[0])
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def take_all(channel: Channel) -> list[tuple[Message, list[int]]]:
    taken: list[tuple[Message, list[int]]] = []
    while received := channel.receive():
        taken += received
    return taken


def test_each_connection_arrives_with_its_own_descriptor(pair: tuple[Channel, Channel]) -> None:
    ours, theirs = pair
    pipes = [os.pipe() for _ in range(DESCRIPTORS_MAX + 1)]  # each is a file of its own
    files = [os.fstat(reader).st_ino for reader, _ in pipes]

    ours.post(WriteSlots(1))
    for number, (reader, _) in enumerate(pipes):
        ours.post(Adopt(number, 0, "zmtp"), (reader,))
    before_the_end = ours.pending
    ours.post(WriteSlots(2))
    ours.flush()
    received = take_all(theirs)

    assert before_the_end == 1, "a packet goes out as soon as it has all the descriptors it can"
    assert received[0] == (WriteSlots(1), [])
    assert received[-1] == (WriteSlots(2), [])
    adopted = [message.subscriber for message, _ in received if isinstance(message, Adopt)]
    descriptors = [descriptor for _, some in received for descriptor in some]
    assert adopted == list(range(len(pipes)))
    assert [os.fstat(descriptor).st_ino for descriptor in descriptors] == files
    for descriptor in [*descriptors, *(writer for _, writer in pipes)]:
        os.close(descriptor)


def test_descriptors_that_were_dropped_on_the_way_are_those_of_the_last(
    pair: tuple[Channel, Channel],
) -> None:
    """A process at its limit of open files gets as many as it has numbers for."""
    ours, theirs = pair
    for number in range(3):
        ours.post(Adopt(number, 0, "zmtp"), (os.dup(0),))
    ours.flush()
    packet, descriptors = theirs._receive_packet()
    ours.send(WriteSlots(1))  # there is something to receive
    with mock.patch.object(theirs, "_receive_packet") as receive:
        receive.side_effect = [(packet, descriptors[:2]), BlockingIOError]
        received = theirs.receive()

    assert [len(some) for _, some in received] == [1, 1, 0]
    for descriptor in descriptors:
        os.close(descriptor)


def test_what_is_not_read_waits_and_arrives_in_order(pair: tuple[Channel, Channel]) -> None:
    """More than the socket holds, in messages of which each nearly fills a packet."""
    ours, theirs = pair
    sent: list[Message] = []
    while not ours.pending or len(sent) % 10:
        sent.append(Subscriptions(len(sent), 0, [b"x" * 20 * 1024], []))
        ours.send(sent[-1])
    received: list[tuple[Message, list[int]]] = []
    while ours.pending:
        assert not ours.flush()
        received += theirs.receive(1)
        ours.flush()
    received += take_all(theirs)

    assert [message for message, _ in received] == sent


def test_packets_are_large_and_never_too_large(pair: tuple[Channel, Channel]) -> None:
    ours, theirs = pair
    kib = [20, 20, 90, 1, 1]  # 20 and 20 do not fit together, 90 is alone in any case
    sent = [Subscriptions(n, 0, [b"x" * size * 1024], []) for n, size in enumerate(kib)]
    for message in sent:
        ours.post(message)
    ours.flush()

    packets = []
    with suppress(BlockingIOError):
        while True:
            packets.append(decode(theirs._receive_packet()[0]))

    assert packets == [sent[:1], sent[1:2], sent[2:3], sent[3:]]


def test_a_closed_channel_keeps_no_descriptor(pair: tuple[Channel, Channel]) -> None:
    ours, _ = pair
    descriptor = os.dup(0)
    ours.close()

    ours.post(Adopt(1, 2, "zmtp"), (descriptor,))

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_a_packet_that_is_no_packet_leaves_no_descriptor(pair: tuple[Channel, Channel]) -> None:
    ours, theirs = pair
    given = os.dup(0)
    ours.send(WriteSlots(1))  # there is something to receive
    garbage = mock.patch.object(theirs, "_receive_packet", return_value=(b"garbage", [given]))
    with garbage, pytest.raises(ControlError):
        theirs.receive()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(given)
    assert not ours.closed


def test_to_receive_in_vain_reads_nothing(pair: tuple[Channel, Channel]) -> None:
    """A worker looks in each of its turns, and to read from an empty socket takes long."""
    ours, theirs = pair
    with mock.patch.object(theirs, "_receive_packet", side_effect=AssertionError("read")):
        assert theirs.receive() == []
        ours.send(WriteSlots(1))
        with pytest.raises(AssertionError, match="read"):
            theirs.receive()


def test_the_end_of_the_other_side_is_seen(pair: tuple[Channel, Channel]) -> None:
    ours, theirs = pair
    ours.send(WriteSlots(1))
    ours.close()

    assert [message for message, _ in theirs.receive()] == [WriteSlots(1)]
    assert theirs.closed
    theirs.close()
    assert theirs.receive() == [], "whoever has its number now is not looked at"


def test_it_counts_once_for_each_time_that_the_other_side_does_not_read(
    pair: tuple[Channel, Channel],
) -> None:
    ours, theirs = pair
    for times in (1, 2):
        while ours.flush():
            ours.post(WriteSlots(1))
        assert ours.is_full
        ours.send(WriteSlots(2))
        assert (ours.flush(), ours.strain.channel_full) == (False, times)
        while theirs.receive():
            ours.flush()
        assert (ours.is_full, ours.pending) == (False, 0)
    assert ours.strain.channel_short == 0


def test_what_the_system_has_no_memory_for_is_counted_apart(pair: tuple[Channel, Channel]) -> None:
    ours, _theirs = pair
    short = OSError(errno.ENOBUFS, "No buffer space available")
    with mock.patch.object(ours, "_send_packet", side_effect=short):
        ours.send(WriteSlots(1))
        ours.flush()
        assert (ours.is_short, ours.is_full) == (True, False)
    ours.flush()
    assert not ours.is_short
    assert (ours.strain.channel_short, ours.strain.channel_full) == (1, 0)


def test_the_reports_of_a_worker_wait_however_many_and_the_orders_of_the_coordinator_do_not(
    pair: tuple[Channel, Channel],
) -> None:
    coordinator, other = pair
    worker = _channel_of(os.dup(other.socket.fileno()))
    with mock.patch.object(channels, "QUEUE_MESSAGES_MAX", 10):
        for channel in (worker, coordinator):
            while not channel.is_full:
                channel.send(WriteSlots(0))
        waiting = worker.pending
        for number in range(1, 100):
            worker.send(WriteSlots(number))
        assert worker.pending == waiting + 99
        while coordinator.pending < channels.QUEUE_MESSAGES_MAX:
            coordinator.send(WriteSlots(0))
        with pytest.raises(ChannelFull):
            coordinator.send(WriteSlots(0))
    received: list[Message] = []
    while worker.pending:
        received += [message for message, _ in coordinator.receive()]
        worker.flush()
    received += [message for message, _ in take_all(coordinator)]
    assert received[-99:] == [WriteSlots(number) for number in range(1, 100)]
    worker.close()
