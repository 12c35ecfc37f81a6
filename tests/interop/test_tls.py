"""`fanout serve` on `tls://`, with a stock subscriber behind a relay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.helpers.certificates import SERVER, SERVER_KEY
from tests.helpers.command import Command
from tests.helpers.tls import Relay

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers.stock import Stock

SMALL = ("--workers", "1", "--log-bytes", "4M", "--bind", "tls://127.0.0.1:*", "--wait-for", "1")


def test_what_is_served_by_the_command_line(tmp_path: Path, stock: Stock) -> None:
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(SERVER)
    key.touch(0o600)
    key.write_bytes(SERVER_KEY)
    tls = "--tls-certificate", str(chain), "--tls-key", str(key)
    with Command("serve", *SMALL, *tls) as command:
        line = command.error_line(lambda line: line.startswith("publishing on "))
        endpoint = line.removeprefix("publishing on ")
        assert endpoint.startswith("tls://")
        with Relay(endpoint) as relay:
            subscriber = stock.connect(relay.endpoint, b"EUR")
            command.write(b"EURUSD\t1.1\n")
            command.end_input()
            assert subscriber.recv_multipart() == [b"EURUSD", b"1.1"]
            assert command.wait() == 0
        told = [*command.error_lines, command.process.args]
    lines = [one.decode() for one in SERVER_KEY.splitlines() if b"-----" not in one]
    assert not any(one in str(told) for one in lines)
