"""Entry point of a worker process: from a control descriptor to a running worker.

Exit codes: 0 the coordinator said to finish, or is gone; 3 could not start; 4 met a bug of ours.
Signals: SIGINT, SIGTERM and SIGHUP are ignored, because terminals and service managers send them to
the whole process group and it is the publisher that decides when to end. Its end is seen at once,
as end of file on the control channel and through a pidfd, so a worker never outlives it for long.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import resource
import select
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

from fanout.control.channel import Channel
from fanout.control.messages import Hello, Started
from fanout.options import Options
from fanout.shm.doorbell import Doorbell
from fanout.shm.segment import Segment
from fanout.workers.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

EXIT_OK = 0
EXIT_START = 3
EXIT_BUG = 4

TIMER_SLACK_NS = 1_000  # that a sleep may take longer than asked for
HELLO_TIMEOUT = 30.0  # seconds; the coordinator sends Hello right after it has started us


class _NotStarted(Exception):
    """Nothing to serve: the coordinator is gone, or said something else than Hello."""


def main(control_descriptor: int) -> int:
    """Run a worker; returns the exit code of its process."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # They were blocked until now, so that none could end us before we ignored it.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
    channel = Channel(socket.socket(fileno=control_descriptor))
    try:
        return _run(channel)
    finally:
        channel.close()


def _run(channel: Channel) -> int:
    try:
        hello, descriptors = _wait_for_hello(channel)
        segment = Segment.attach(descriptors[0], writable=True)
        bells = Doorbell(descriptors[1]), Doorbell(descriptors[2])
    except Exception as error:
        print(f"fanout worker: cannot start: {error}", file=sys.stderr)
        return EXIT_START
    _use_all_descriptors()
    _keep_naps_short()
    gc.disable()  # nothing here makes cycles at a rate; a collection would be a pause
    try:
        asyncio.run(_serve(hello, segment, channel, *bells))
    except Exception:
        logging.getLogger("fanout").exception("worker %d met a bug and ends", hello.worker)
        return EXIT_BUG
    return EXIT_OK


async def _serve(
    hello: Hello, segment: Segment, channel: Channel, doorbell: Doorbell, room: Doorbell
) -> None:
    settings: dict[str, Any] = dict(hello.options)
    options = Options(**settings)
    os.nice(options.worker_nice)
    worker = Worker(hello.worker, options, segment, channel, doorbell, room)
    failures: list[BaseException] = []
    loop = asyncio.get_running_loop()

    def on_failure(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        failures.append(error if isinstance(error, BaseException) else RuntimeError(str(context)))
        worker.finished()

    loop.set_exception_handler(on_failure)
    with _coordinator_watched(hello.coordinator_pid, worker):
        channel.send(Started(os.getpid()))
        await worker.run()
    if failures:
        raise failures[0]


@contextlib.contextmanager
def _coordinator_watched(pid: int, worker: Worker) -> Iterator[None]:
    """End the worker when the coordinator's process ends.

    End of file alone does not tell: a process forked from the coordinator's holds the channel too.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        worker.orphaned()
        yield
        return
    loop = asyncio.get_running_loop()

    def gone() -> None:
        loop.remove_reader(descriptor)
        worker.orphaned()

    loop.add_reader(descriptor, gone)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _wait_for_hello(channel: Channel) -> tuple[Hello, list[int]]:
    poller = select.poll()
    poller.register(channel.socket, select.POLLIN)
    if not poller.poll(HELLO_TIMEOUT * 1000):
        raise _NotStarted(f"no Hello within {HELLO_TIMEOUT} s")
    received = channel.receive(1)
    if not received:
        raise _NotStarted("the coordinator is gone")
    message, descriptors = received[0]
    if not isinstance(message, Hello) or len(descriptors) != message.descriptors:
        raise _NotStarted(f"expected Hello with descriptors, got {message}")
    return message, descriptors


def _use_all_descriptors() -> None:
    """Raise this process's soft limit of open files to the hard one: one for each subscriber."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # then the soft limit is what we have
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _keep_naps_short() -> None:
    """Have sleeps end on time: by default the kernel adds 50 us, more than some naps last."""
    with (
        contextlib.suppress(OSError),  # a kernel or a sandbox without it: naps are longer
        open("/proc/self/timerslack_ns", "w", encoding="ascii") as file,
    ):
        file.write(str(TIMER_SLACK_NS))
