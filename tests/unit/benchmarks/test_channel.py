"""The channel between the harness and its processes."""

from __future__ import annotations

import select
import socket

from benchmarks.channel import Channel


def test_who_waits_for_the_socket_hears_of_each_message_though_they_come_together() -> None:
    ours, theirs = socket.socketpair()
    sender, receiver = Channel(ours), Channel(theirs)
    for number in range(3):
        sender.send(number=number)
    for number in range(3):
        assert select.select([receiver], [], [], 0)[0]
        assert receiver.receive() == {"number": number}
    assert not select.select([receiver], [], [], 0)[0]
    sender.close()
    receiver.close()
