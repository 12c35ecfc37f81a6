"""A publisher in a program whose standard streams are closed; run by test_closed_streams.py.

It tells what happens by files in the current directory, and ends when there is one named `end`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from contextlib import suppress
from pathlib import Path

from fanout import Publisher
from tests.helpers.waiting import DEADLINE_S

SPEECH = b"a library says: out of memory, or something else of some length" * 20

speaking = threading.Lock()


def tell(name: str, text: str) -> None:
    """Put a file there, whole; in silence, since it may have a standard number itself."""
    with speaking:
        Path("making").write_text(text)
    os.rename("making", name)


def speak() -> list[str]:
    """Write to the standard streams as a C library does; returns where that has gone."""
    libc = ctypes.CDLL(None)
    with speaking:
        return [str(n) for n in range(3) if libc.write(n, SPEECH, len(SPEECH)) >= 0]


def held() -> list[str]:
    """What this process holds, without the listing itself."""
    found = []
    for name in sorted(os.listdir("/proc/self/fd")):
        with suppress(FileNotFoundError):
            found.append(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
    return found


def main() -> None:
    heard = speak()
    stopping = threading.Event()
    talking = threading.Thread(target=lambda: [speak() for _ in iter(stopping.is_set, True)])
    talking.start()
    before = held()
    publisher = Publisher(["tcp://127.0.0.1:*", "ipc://*"], workers=2, log_bytes=1 << 20)
    tell("endpoints", "\n".join(publisher.endpoints))
    publisher.wait_for_subscribers(4, timeout=DEADLINE_S)
    publisher.publish(b"t", b"first")
    publisher.drain(DEADLINE_S)
    pids = [worker.pid for worker in publisher.statistics().workers]
    tell("pids", " ".join(map(str, [os.getpid(), *pids])))
    signal.sigwait({signal.SIGUSR1})
    statistics = publisher.statistics()
    publisher.publish(b"t", b"last")
    left = publisher.close(DEADLINE_S)
    del publisher  # the mapping of the log, and its descriptor, go with it
    stopping.set()
    talking.join()
    after = held()
    figures = (statistics.dropped, statistics.discarded, len(left))
    tell("result", repr((heard == speak(), figures, before, after)))


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    main()
