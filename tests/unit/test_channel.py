"""The control channel and the worker's link: what happens when something runs out."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from fanout import channel as channels
from fanout.channel import Channel
from fanout.control import Adopt, Snapshot
from fanout.pool import WorkerLink
from fanout.shm.doorbell import Doorbell
from fanout.shm.segment import Segment
from tests.helpers.log import SMALL

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pair() -> Iterator[tuple[Channel, Channel]]:
    ours, theirs = (Channel(end) for end in Channel.pair())
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.fixture
def link() -> Iterator[WorkerLink]:
    segment = Segment.create(SMALL)
    room = Doorbell()
    link = WorkerLink(0, segment, room)
    yield link
    link.close()
    room.close()
    segment.close()


@pytest.mark.parametrize("number", [errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM])
def test_what_the_system_cannot_take_now_is_sent_later(
    pair: tuple[Channel, Channel], number: int
) -> None:
    """Too many descriptors in flight is what a storm of connections comes to."""
    ours, theirs = pair
    descriptor = os.dup(0)
    with mock.patch.object(ours, "_send_packet", side_effect=OSError(number, "short")):
        ours.send(Adopt(1, 2, True), (descriptor,))
    assert not ours.closed
    assert ours.pending == 1

    assert ours.flush()

    ((message, descriptors),) = theirs.receive()
    assert message == Adopt(1, 2, True)
    assert len(descriptors) == 1
    os.close(descriptors[0])
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_a_worker_that_does_not_read_is_killed_and_the_publisher_lives(link: WorkerLink) -> None:
    ours, theirs = Channel.pair()
    link.channel, link.process = Channel(ours), mock.Mock(exitcode=-9)
    with mock.patch.object(channels, "QUEUE_MAX", 1), socket.socket() as adopted:
        while not link.process.kill.called:
            link.say(Snapshot(1))
        link.adopt(1, 2, True, adopted.detach())

    assert "does not read" in link.reap()
    theirs.close()


def test_why_a_worker_was_killed_is_not_what_followed_from_it(link: WorkerLink) -> None:
    link.process = mock.Mock(exitcode=-9)

    link.kill("no sign of life")
    link.kill("it closed its control channel")

    assert link.reap() == "killed by us: no sign of life"
