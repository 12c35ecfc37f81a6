"""Subscribers that compare what they get, as far as they say something themselves."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from unittest import mock

from tests.helpers.checked import PING_BYTES, Checked
from tests.helpers.raw import RawPeer, command
from tests.helpers.waiting import DEADLINE_S


def test_what_there_is_no_room_for_is_said_later_and_in_order() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, mock.patch.object(RawPeer, "version_3") as made:
        made.return_value = SimpleNamespace(socket=ours)
        one = Checked("tcp://127.0.0.1:1", b"T")
        ours.setblocking(False)
        one.ping(cut=3)
        filled = 0
        while filled < 1 << 24:
            try:
                filled += ours.send(bytes(1000))
            except BlockingIOError:
                break
        one.ping()
        one.ping(cut=9)
        assert (one.pings, one.asked) == (3, 0)
        theirs.settimeout(DEADLINE_S)
        before = theirs.recv(PING_BYTES - 3 + filled, socket.MSG_WAITALL)
        one.say_the_rest()
        assert (one.pings, one.asked) == (3, 3)
        rest = theirs.recv(2 * PING_BYTES + 3, socket.MSG_WAITALL)

    said = before[: PING_BYTES - 3] + rest
    assert said == b"".join(command(b"PING", b"\0\0%08d" % number) for number in (1, 2, 3))
