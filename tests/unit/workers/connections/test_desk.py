"""Adoption: what becomes of a connection that does not arrive, and what one is told that does."""

from __future__ import annotations

import contextlib
import errno
import socket
from unittest import mock

import pytest

from fanout.control.messages import Adopt, Closed
from fanout.options import Options
from fanout.reasons import Reason
from fanout.shm import layout as at
from fanout.workers.connections.sealed import NOTHING_KEPT
from fanout.workers.worker import Worker
from fanout.zmtp import SubscriberSession
from tests.helpers.around import Around
from tests.helpers.boxes import Kernel
from tests.helpers.log import SMALL
from tests.helpers.patient import PatientSet
from tests.helpers.refusing import refusing


def adopt(descriptors: list[int]) -> Closed:
    """What is reported of a connection that cannot be served."""
    around = Around(SMALL)
    worker = Worker(Options(), around)

    worker.desk.adopt(Adopt(7, 3, "zmtp", 5), descriptors)

    (closed,) = around.channel.sent
    assert isinstance(closed, Closed)
    assert (closed.subscriber, worker.desk.peers) == (7, {})
    assert closed.debt == 5, "what its address owed is not forgotten"
    around.close()
    return closed


def test_a_connection_whose_descriptor_was_lost_on_the_way_is_given_back() -> None:
    """A process at its limit of open files gets the message without the descriptor."""
    closed = adopt([])

    assert (closed.evicted, closed.cause) == (True, Reason.NO_DESCRIPTOR.number)
    assert "open files" in closed.reason


def test_a_connection_that_broke_on_the_way_is_given_back() -> None:
    closed = adopt([99])

    assert (closed.evicted, closed.cause) == (False, Reason.GONE_EARLY.number)
    assert closed.reason.endswith("Transport endpoint is not connected")


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.ENOSPC])
@pytest.mark.parametrize("name", ["to be written to", "to be read"])
def test_a_connection_that_the_system_does_not_let_it_watch_is_given_back(
    name: str, number: int
) -> None:
    around = Around(SMALL)
    sets = {"to be written to": PatientSet(), "to be read": PatientSet()}
    with mock.patch.object(around, "poll_set", side_effect=sets.values()):
        worker = Worker(Options(), around)
    ours, far = socket.socketpair()
    around.sockets[ours.fileno()] = ours
    with far, mock.patch.object(sets[name], "register", side_effect=refusing(number)):
        worker.desk.adopt(Adopt(7, 3, "zmtp", 5), [ours.fileno()])

    (closed,) = around.channel.sent
    assert isinstance(closed, Closed)
    assert (closed.subscriber, worker.desk.peers, ours.fileno()) == (7, {}, -1)
    assert (closed.evicted, closed.cause) == (True, Reason.UNWATCHED.number)
    assert closed.reason.startswith("it cannot be watched: ")
    assert ("max_user_watches" in closed.reason) == (number == errno.ENOSPC)
    assert not worker.pump.needs_log
    around.close()


def greeted(said: bytes, handed: int = 0) -> list[bytes]:
    """The packets that one who has said this is sent in the turn of its adoption.

    Args:
        handed: what the slot says of the one that had it before.
    """
    around = Around(SMALL)
    around.subscriber_slot(3).words[at.S_HANDED] = handed
    worker = Worker(Options(), around)
    ours, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    packets = []
    with ours, far:
        ours.setblocking(False)
        far.setblocking(False)
        if said:
            far.send(said)
        around.sockets[ours.fileno()] = ours
        worker.desk.adopt(Adopt(7, 3, "zmtp"), [ours.fileno()])
        worker.turn()
        with contextlib.suppress(BlockingIOError):
            while True:
                packets.append(far.recv(4096))
        worker.desk.close(worker.desk.peers[7], Reason.LEFT)
    around.close()
    return packets


def test_who_has_spoken_is_answered_with_all_that_there_is_to_say_at_once() -> None:
    said = SubscriberSession([b"A"]).data_to_send()

    (first,) = greeted(b"")
    (whole,) = greeted(said)

    assert whole.startswith(first)
    assert len(whole) > len(first)


def test_who_has_left_by_the_time_of_its_greeting_is_not_spoken_to() -> None:
    around = Around(SMALL)
    worker = Worker(Options(), around)
    ours, far = socket.socketpair()
    ours.setblocking(False)
    far.close()
    around.sockets[ours.fileno()] = ours
    worker.desk.adopt(Adopt(7, 3, "zmtp"), [ours.fileno()])
    worker.turn()

    (closed,) = around.channel.sent
    assert isinstance(closed, Closed)
    assert (closed.cause, worker.desk.peers) == (Reason.LEFT.number, {})
    around.close()


def test_who_is_sealed_for_stops_when_the_pump_says_so() -> None:
    around = Around(SMALL)
    worker = Worker(Options(), around)
    kernel = Kernel(1 << 20)
    send = worker.desk.sealing.under(kernel.sealer, NOTHING_KEPT)(kernel.send)
    assert send._is_over == worker.pump.sealed_turns.is_over
    around.close()


def test_one_gets_the_slot_of_another_one_whose_end_had_begun() -> None:
    """Its worker ended by what that had left there: 2^64 - 1 and some bytes are no word."""
    assert greeted(b"", at.UNCOUNTED) == greeted(b"")
