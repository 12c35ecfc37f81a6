"""Who cannot be accepted by `ingest()` and `answer()` is told of and counted."""

from __future__ import annotations

import itertools
import os
import resource
import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from fanout import Event, EventKind, Publisher, Reason
from tests.helpers.happenings import Happenings
from tests.helpers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

PEERS = 40


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """This process may open so many more files, and no others."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = {int(name) for name in os.listdir("/proc/self/fd")}
    free = (number for number in itertools.count() if number not in in_use)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next(itertools.islice(free, count, None)), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def of(happenings: Happenings, kind: EventKind, whom: str) -> list[Event]:
    return [event for event in happenings.of(kind) if event.reason.startswith(whom)]


@pytest.mark.parametrize("whom", ["producers", "askers"])
def test_who_finds_no_descriptor_is_accepted_when_there_is_one(whom: str) -> None:
    happenings = Happenings()
    with (
        Publisher(workers=1, log_bytes=1 << 20, on_event=happenings) as publisher,
        ExitStack() as stack,
    ):
        serve = publisher.ingest if whom == "producers" else publisher.answer
        host, _, port = serve("tcp://127.0.0.1:*").removeprefix("tcp://").rpartition(":")
        peers = [stack.enter_context(socket.socket()) for _ in range(PEERS)]

        def figures() -> tuple[int, int]:
            (one,) = publisher.ingest_statistics() or publisher.answer_statistics()
            return one.accept_pauses, one.refused

        with descriptors_left(10):
            for peer in peers:
                peer.connect((host, int(port)))
            wait_until(lambda: of(happenings, EventKind.ACCEPT_PAUSED, whom), "it is told of")
            paused = of(happenings, EventKind.ACCEPT_PAUSED, whom)[0]
            assert paused.cause is Reason.NO_RESOURCES
            assert figures()[0] >= 1
        for peer in peers:
            peer.settimeout(30)
            assert peer.recv(1), "it is greeted after all"
        assert figures()[1] == 0
