"""How much the kernel holds for each connection when there are thousands. Shell.

All TCP connections of a machine together hold no more than `net.ipv4.tcp_mem` says. Once that is
used up the kernel drops packets that have arrived, whoever they are for, and they come again after
0.2 s, 0.4 s, and so on. Peers that never read fill what they have: 5,000 of them with 512 KiB each
used up what a machine of 24 GB gives, and subscribers that kept up waited for up to a second.

So who comes when there are many has less, until it has shown that it reads: then what is held for
it is not held for long.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import NamedTuple

from fanout.transport.kernel import set_queue

KIB = 1024

TCP_MEM = "/proc/sys/net/ipv4/tcp_mem"
PAGE_BYTES = 4 * KIB  # in which it is counted; where pages are larger, there is more
MEMORY_PART = 16  # of the machine's is for TCP before it gives less, unless somebody has set that
PRESSURE = 1  # of its three figures: from there on the kernel gives less to everybody
# 1/3 of that is for those who have all that is wanted; beside them, as many again have half of it
# in all, and so on. What is left is for the peers, if they are on this machine, and for others.
FIRST_PART = 3
QUEUE_BYTES_MIN = 16 * KIB  # a send of so many is still worth its system call
KERNEL_FACTOR = 2  # it reserves so many times what SO_SNDBUF is set to, for its own overhead


def memory_for_tcp(path: str = TCP_MEM) -> int:
    """Bytes that TCP may hold on this machine before the kernel gives less.

    In a network namespace that is not the machine's first, as containers have, the kernel does not
    say: then what it takes where nobody has set it.
    """
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read().split()[PRESSURE]) * PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // MEMORY_PART


def queue_for(wanted: int, connections: int, memory: int) -> int:
    """What the send buffer (SO_SNDBUF) of a new connection is set to, in bytes.

    Args:
        wanted: for one that reads.
        connections: how many there are, with this one.
        memory: see `memory_for_tcp()`.

    Returns:
        At least the smaller one of `wanted` and QUEUE_BYTES_MIN. So n connections hold no more than
        `memory / 3 * (1 + ln(n / m) / 2)`, if the first m have what is wanted; until they read, or
        reach the minimum.
    """
    first = memory // (FIRST_PART * KERNEL_FACTOR)
    if connections * wanted <= first:
        return wanted
    return min(wanted, max(QUEUE_BYTES_MIN, first // (2 * connections)))


class KernelQueues(NamedTuple):
    """What the connections of one publisher have.

    Args:
        wanted: for one that reads, in bytes of SO_SNDBUF.
        memory: see `memory_for_tcp()`.
    """

    wanted: int
    memory: int

    def fit(self, sock: socket.socket, connections: int) -> None:
        """Have less held for a new connection if there are so many, until it is seen that it reads.

        Those of Unix sockets do not count for that memory, and nothing that is dropped.
        """
        size = queue_for(self.wanted, connections, self.memory)
        if size < self.wanted and sock.family != socket.AF_UNIX:
            with suppress(OSError):  # it has left already; its worker will notice
                set_queue(sock, size)
