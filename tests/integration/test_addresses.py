"""One address among others: it gets its part, and no peer of another one feels it."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import psutil
import pytest

from fanout import EventKind, Publisher, Reason
from tests.helpers.happenings import Happenings
from tests.helpers.raw import RawPeer
from tests.helpers.waiting import wait_until


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
        publisher.wait_for_subscribers(3, timeout=20)
        refused = stack.enter_context(RawPeer(endpoint))
        (event,) = happenings.wait_for(EventKind.CONNECTION_REFUSED)
        assert event.cause is Reason.ADDRESS_FULL
        assert event.reason == f"{address} has 3 connections (max_subscribers_per_address)"
        for _ in range(5):
            stack.enter_context(RawPeer.version_3(local, b"A"))
        publisher.wait_for_subscribers(8, timeout=20)
        assert publisher.statistics().refused == 1
        assert refused.read_to_end() == b""

        served[0].close()
        wait_until(lambda: publisher.statistics().subscribers == 7, "it has left")
        stack.enter_context(RawPeer.version_3(endpoint, b"A"))
        publisher.wait_for_subscribers(8, timeout=20)
