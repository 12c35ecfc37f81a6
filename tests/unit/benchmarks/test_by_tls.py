"""How bytes by TLS are counted: those in whole records, wherever these are cut."""

from __future__ import annotations

from random import Random

import pytest

from benchmarks.by_tls import RecordCount, connector
from benchmarks.wire import CERTIFICATE, CERTIFICATE_KEY
from fanout.security.records import RECORD_BYTES, TlsRecords
from fanout.security.tls import context_of


@pytest.mark.parametrize("step", [1, 4, 5, 6, 1000, 1 << 20])
def test_what_is_in_records_is_counted_without_opening_them(step: int) -> None:
    client, server = connector()(), TlsRecords(context_of([CERTIFICATE, CERTIFICATE_KEY, b"", b""]))
    count = RecordCount()
    client.begin()
    while not server.is_ready:
        server.receive(client.take_output())
        said = server.take_output()
        count.take(said)  # of the handshake, which is in records, too
        client.receive(said)
    random = Random(0)
    sizes = [1, RECORD_BYTES, *(random.randrange(1, RECORD_BYTES) for _ in range(20))]
    wire = b"".join(server.seal(bytes(size)) for size in sizes)
    counted = [count.take(wire[at : at + step]) for at in range(0, len(wire), step)]
    assert sum(counted) == sum(sizes)
    assert count.take(server.seal(b"x" * 100)[:-1]) == 0  # not whole
