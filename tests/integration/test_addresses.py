"""One address among others: it gets its part, and no peer of another one feels it."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psutil
import pytest

from fanout import EventKind, Publisher, Reason
from tests.helpers.happenings import Happenings
from tests.helpers.raw import RawPeer, command, greeting_3
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from tests.helpers.stock import Socket, Stock

AT_ONCE = 1_000  # PINGs: some ms of a worker
PINGS = command(b"PING", b"\0\0x") * AT_ONCE
PONGS = command(b"PONG", b"x") * AT_ONCE


def own_address() -> str:
    """An address of this machine that is not loopback: who connects to it comes from it."""
    for entries in psutil.net_if_addrs().values():
        for entry in entries:
            if entry.family == socket.AF_INET and not entry.address.startswith("127."):
                return entry.address
    pytest.skip("this machine has no address but loopback")


def test_one_address_takes_its_part_and_another_one_is_served() -> None:
    address = own_address()
    happenings = Happenings()
    with (
        Publisher(
            f"tcp://{address}:*",
            workers=1,
            log_bytes=1 << 20,
            max_subscribers_per_address=3,
            on_event=happenings,
        ) as publisher,
        ExitStack() as stack,
    ):
        endpoint = publisher.endpoints[0]
        local = publisher.bind("tcp://127.0.0.1:*")
        served = [stack.enter_context(RawPeer.version_3(endpoint, b"A")) for _ in range(3)]
        publisher.wait_for_subscribers(3, timeout=DEADLINE_S)
        refused = stack.enter_context(RawPeer(endpoint))
        (event,) = happenings.wait_for(EventKind.CONNECTION_REFUSED)
        assert event.cause is Reason.ADDRESS_FULL
        assert event.reason == f"{address} has 3 connections (max_subscribers_per_address)"
        for _ in range(5):
            stack.enter_context(RawPeer.version_3(local, b"A"))
        publisher.wait_for_subscribers(8, timeout=DEADLINE_S)
        assert publisher.statistics().refused == 1
        assert refused.read_to_end() == b""

        served[0].close()
        wait_until(lambda: publisher.statistics().subscribers == 7, "it has left")
        stack.enter_context(RawPeer.version_3(endpoint, b"A"))
        publisher.wait_for_subscribers(8, timeout=DEADLINE_S)


def talk_until_throttled(publisher: Publisher, healthy: Socket) -> None:
    """Have a new peer send PINGs, as often as all are answered; a healthy one listens beside it."""
    count = publisher.statistics().throttled + 1
    with RawPeer.version_3(publisher.endpoints[0]) as peer:
        while publisher.statistics().throttled < count:
            peer.socket.sendall(PINGS)
            due = len(PONGS)
            while due and publisher.statistics().throttled < count:
                if peer.is_readable(0.05):
                    due -= len(peer.socket.recv(due))
            publisher.publish(b"healthy/1", b"x")
            assert healthy.recv_multipart() == [b"healthy/1", b"x"]


@pytest.mark.unmeasured
def test_who_goes_over_its_budget_and_comes_again_has_no_new_one(stock: Stock) -> None:
    """How much less it has is counted in `unit/workers/connections/test_budgets.py`."""
    happenings = Happenings()
    with Publisher(
        f"tcp://{own_address()}:*", workers=1, log_bytes=1 << 20, on_event=happenings
    ) as publisher:
        healthy = stock.connect(publisher.endpoints[0], b"healthy")
        publisher.wait_for_subscribers(1, b"healthy", timeout=DEADLINE_S)

        talk_until_throttled(publisher, healthy)
        talk_until_throttled(publisher, healthy)
        (neighbour,) = [row for row in publisher.subscribers() if row.subscriptions]
        assert neighbour.dropped == 0

    # The end tells the second event of this kind, which else waits until 10 s after the first.
    fresh, owing = happenings.wait_for(EventKind.SUBSCRIBER_THROTTLED, 2)
    assert "owed" not in fresh.reason
    assert "; its address owed" in owing.reason


def test_nor_does_it_take_all_places_of_producers_or_askers() -> None:
    """Whoever is on loopback has as many as there are."""
    address = own_address()
    happenings = Happenings()
    push, dealer = greeting_3(1) + ready_of(b"PUSH"), greeting_3(1) + ready_of(b"DEALER")
    with Publisher(workers=1, log_bytes=1 << 20, on_event=happenings) as publisher:
        for open_here, hello, told in (
            (publisher.ingest, push, EventKind.PRODUCER_CONNECTED),
            (publisher.answer, dealer, EventKind.ASKER_CONNECTED),
        ):
            with ExitStack() as stack:
                endpoint = open_here(f"tcp://{address}:*", max_connections_per_address=2)
                local = open_here("tcp://127.0.0.1:*", max_connections_per_address=2)
                for number in range(2):
                    stack.enter_context(RawPeer(endpoint)).send(hello)
                    happenings.wait_for(told, number + 1)
                refused = stack.enter_context(RawPeer(endpoint))
                assert refused.read_to_end() == b""
                event = happenings.wait_for(EventKind.CONNECTION_REFUSED)[-1]
                assert event.cause is Reason.ADDRESS_FULL
                assert event.reason == f"{address} has 2 connections (max_connections_per_address)"
                for number in range(4):
                    stack.enter_context(RawPeer(local)).send(hello)
                    happenings.wait_for(told, number + 3)
        assert [one.refused for one in publisher.ingest_statistics()] == [1, 0]
        assert [one.refused for one in publisher.answer_statistics()] == [1, 0]


def ready_of(socket_type: bytes) -> bytes:
    """The command by which such a socket of ZMTP 3 ends its handshake."""
    return command(b"READY", b"\x0bSocket-Type" + len(socket_type).to_bytes(4, "big") + socket_type)
