"""Send buffers: all of what is wanted for the first, less for each of thousands, and never none."""

from __future__ import annotations

import math
import socket
from typing import TYPE_CHECKING

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.transport.kernel_queues import (
    FIRST_PART,
    KERNEL_FACTOR,
    MEMORY_PART,
    PAGE_BYTES,
    QUEUE_BYTES_MIN,
    KernelQueues,
    memory_for_tcp,
    queue_for,
)

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024 * 1024
WANTED = MIB // 4


def test_the_first_have_what_is_wanted_and_thousands_have_less() -> None:
    memory = 1500 * MIB  # of a machine with 24 GB

    found = [queue_for(WANTED, connections, memory) for connections in (1, 1000, 1001, 5000, 10**6)]

    assert found == [WANTED, WANTED, 250 * MIB // 2002, 250 * MIB // 10_000, QUEUE_BYTES_MIN]


@given(
    wanted=st.integers(4096, 1 << 30),
    memory=st.integers(0, 1 << 40),
    connections=st.integers(1, 500),
)
def test_all_that_never_read_hold_a_part_of_the_memory(
    wanted: int, memory: int, connections: int
) -> None:
    queues = [queue_for(wanted, number, memory) for number in range(1, connections + 1)]
    first = sum(queue == wanted for queue in queues)
    held = sum(KERNEL_FACTOR * queue for queue in queues if queue > QUEUE_BYTES_MIN)

    assert all(min(wanted, QUEUE_BYTES_MIN) <= queue <= wanted for queue in queues)
    assert queues == sorted(queues, reverse=True)
    # The first of those who have less counts as a whole one of the first.
    more = 1 + math.log(connections / max(first, 1)) / 2 + 1 / max(first, 1)
    assert held <= memory / FIRST_PART * more + 1 or wanted <= QUEUE_BYTES_MIN


@pytest.mark.parametrize("text", ["1\t22\t333\n", "1\n", "a b c", None])
def test_the_kernel_says_in_pages_when_it_gives_less_or_it_is_what_it_takes_by_itself(
    tmp_path: Path, text: str | None
) -> None:
    path = tmp_path / "tcp_mem"
    if text is not None:  # else there is none, as in a container
        path.write_text(text)

    found = memory_for_tcp(str(path))

    if text is not None and "22" in text:
        assert found == 22 * PAGE_BYTES
    else:
        assert found == psutil.virtual_memory().total // MEMORY_PART


@pytest.mark.parametrize(
    ("family", "connections", "set_to"),
    [
        (socket.AF_INET, 1, None),
        (socket.AF_INET, 10**6, QUEUE_BYTES_MIN),
        (socket.AF_UNIX, 10**6, None),
    ],
)
def test_only_what_is_less_is_set_and_only_for_tcp(
    family: int, connections: int, set_to: int | None
) -> None:
    with socket.socket(family) as sock:
        before = sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        KernelQueues(WANTED, 1500 * MIB).fit(sock, connections)
        after = sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)

    assert after == (before if set_to is None else KERNEL_FACTOR * set_to)


def test_who_has_left_already_is_no_error() -> None:
    sock = socket.socket()
    sock.close()

    KernelQueues(WANTED, 0).fit(sock, 1)
