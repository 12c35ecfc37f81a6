"""Relays of tests leave nothing open, whoever was just coming when they ended."""

from __future__ import annotations

import gc
import socket
from contextlib import ExitStack

import pytest

from tests.helpers.tls import Relay
from tests.helpers.tls_server import serving_context
from tests.helpers.waiting import DEADLINE_S


@pytest.mark.parametrize("takes_tls", [False, True])
def test_a_relay_closes_those_whom_it_has_just_accepted(takes_tls: bool) -> None:
    """Whatever it leaves open is a warning, and so an error, of this test."""
    context = serving_context() if takes_tls else None
    with ExitStack() as open_ones, socket.create_server(("127.0.0.1", 0)) as target:
        host, port = target.getsockname()
        for count in range(20):
            with Relay(f"tls://{host}:{port}", front=context) as relay:
                address = relay.endpoint.rpartition("//")[2].split(":")
                for _ in range(count):  # nobody shakes hands: the end meets all of them in it
                    peer = socket.create_connection((address[0], int(address[1])), DEADLINE_S)
                    open_ones.enter_context(peer)
    gc.collect()
