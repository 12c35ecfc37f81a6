"""Addresses that mean something on one link only: they are named with their interface."""

from __future__ import annotations

import socket

import psutil
import pytest

from fanout import Publisher
from tests.helpers.raw import RawPeer
from tests.helpers.waiting import DEADLINE_S


def link_local() -> str:
    """An address of this machine, with its interface."""
    for entries in psutil.net_if_addrs().values():
        for entry in entries:
            if entry.family == socket.AF_INET6 and entry.address.startswith("fe80:"):
                return entry.address
    pytest.skip("no interface of this machine has a link-local address")


def test_the_interface_stays_with_the_address() -> None:
    address = link_local()
    with Publisher(f"tcp://[{address}]:*", workers=1, log_bytes=1 << 20) as publisher:
        (endpoint,) = publisher.endpoints
        assert endpoint.startswith(f"tcp://[{address}]:")
        with RawPeer.version_3(endpoint, b"A") as peer:
            publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            (subscriber,) = publisher.subscribers()
            port = peer.socket.getsockname()[1]
            assert subscriber.peer == f"[{address}]:{port}"
        publisher.unbind(endpoint)
        assert publisher.endpoints == ()
        assert publisher.bind(endpoint) == endpoint
