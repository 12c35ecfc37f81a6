"""`fanout keys` and `fanout serve --allow`, with stock subscribers that have such keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import zmq
import zmq.auth

from tests.helpers.command import Command
from tests.helpers.curve import CurveSeen, Keys, new_keys
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers.stock import Stock

SMALL = ("--workers", "1", "--log-bytes", "4M", "--bind", "tcp://127.0.0.1:*", "--wait-for", "1")


def made(name: str, directory: Path) -> Keys:
    """A pair from the command line, as pyzmq reads it."""
    with Command("keys", name, "--directory", str(directory)) as command:
        printed = command.read_line().decode().strip()
        assert command.wait() == 0
    public, secret = zmq.auth.load_certificate(directory / f"{name}.key_secret")
    assert secret is not None
    assert public.decode() == printed
    return Keys(printed, secret.decode())


def test_who_has_a_certificate_is_served_and_nobody_else(tmp_path: Path, stock: Stock) -> None:
    desks = tmp_path / "desks"
    desks.mkdir()
    feed, desk = made("feed", tmp_path), made("desk7", desks)
    keys = "--curve-secret-key-file", str(tmp_path / "feed.key_secret"), "--allow", str(desks)
    with Command("serve", *SMALL, *keys) as command:
        line = command.error_line(lambda line: line.startswith("publishing on "))
        endpoint = line.removeprefix("publishing on ")
        stranger = CurveSeen(stock, feed.public, new_keys()).connect(endpoint)
        failed = zmq.Event.HANDSHAKE_FAILED_AUTH
        wait_until(lambda: stranger.saw(failed) == 1, "it is told that it may not")
        friend = CurveSeen(stock, feed.public, desk, {zmq.RCVTIMEO: int(DEADLINE_S * 1000)})
        friend.connect(endpoint)
        command.write(b"EURUSD\t1.1\n")
        command.end_input()
        assert friend.socket.recv_multipart() == [b"EURUSD", b"1.1"]
        assert command.wait() == 0
        told = [*command.error_lines, command.process.args]
    assert not stranger.saw(zmq.Event.HANDSHAKE_SUCCEEDED)
    assert not any(keys.secret in str(told) for keys in (feed, desk))
