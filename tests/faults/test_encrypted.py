"""A worker that dies with encrypted subscribers: they lose their connections, and are back."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import zmq

from fanout import EventKind, Publisher, Reason, auth
from tests.helpers.curve import CurveSeen, new_keys
from tests.helpers.happenings import Happenings
from tests.helpers.stock import Stock
from tests.helpers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

SERVER = new_keys()
COUNT = 12
RECONNECT_MS = 100  # libzmq's own default
REASON = "encrypted: its worker had the key"


def are_served(publisher: Publisher, subscribers: Sequence[CurveSeen]) -> bool:
    """Whether all are; libzmq subscribes again when a program asks it for something."""
    for one in subscribers:
        one.socket.poll(0)
    return sum(one.subscriptions > 0 for one in publisher.subscribers()) == len(subscribers)


def test_they_are_closed_and_counted_and_back_though_others_stay() -> None:
    happenings, stock = Happenings(), Stock()
    options = {zmq.RECONNECT_IVL: RECONNECT_MS}
    seen = [CurveSeen(stock, SERVER.public, options=options) for _ in range(COUNT)]
    security = auth.Curve(SERVER.secret)
    with Publisher(
        "tcp://127.0.0.1:*", workers=2, log_bytes=1 << 20, security=security, on_event=happenings
    ) as publisher:
        for one in seen:
            one.connect(publisher.endpoints[0])
        wait_until(lambda: are_served(publisher, seen), "they are served")
        before = {one.id: one.worker for one in publisher.subscribers()}
        lost = {number for number, worker in before.items() if worker == 0}
        assert 0 < len(lost) < COUNT  # both workers have some
        os.kill(publisher.statistics().workers[0].pid, signal.SIGKILL)
        died = time.monotonic()
        ended = happenings.wait_for(EventKind.SUBSCRIBER_EVICTED, len(lost))
        wait_until(lambda: are_served(publisher, seen), "they are back")
        print(f"back after {time.monotonic() - died:.3f} s")  # to be seen with -s

        assert {event.subscriber for event in ended} == lost
        assert {event.cause for event in ended} == {Reason.WORKER_LOST}
        assert all(REASON in event.reason for event in ended)
        assert publisher.statistics().not_resumed == len(lost)
        closed = publisher.closed_subscribers()
        assert {(one.id, one.cause) for one in closed} == {(i, Reason.WORKER_LOST) for i in lost}
        after = {one.id for one in publisher.subscribers()}
        assert before.keys() - lost == after & before.keys()
        publisher.publish(b"topic", b"payload")
        for one in seen:
            assert one.socket.recv_multipart() == [b"topic", b"payload"]
    stock.close()
