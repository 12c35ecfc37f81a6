"""Entry point of a worker process: from a control descriptor to a running worker.

Its exit code (`fanout.basics.exits`) says why it ended. SIGINT, SIGTERM and SIGHUP are ignored,
because terminals and service managers send them to the whole process group and it is the publisher
that decides when to end. Its end is seen at once, as end of file on the control channel and through
a pidfd, so a worker never outlives it for long.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import os
import select
import socket
import sys
from typing import TYPE_CHECKING, Any

from fanout.basics.descriptors import fill_standard
from fanout.basics.exits import Exit
from fanout.basics.system_calls import RefusedError, needed
from fanout.control.channel import Channel
from fanout.control.messages import ControlError, Hello, Started
from fanout.errors import ConfigError, StartupError
from fanout.options import Options
from fanout.shm.doorbell import Doorbell
from fanout.shm.segment import Segment
from fanout.workers import own_process
from fanout.workers.blame import subscriber_of
from fanout.workers.surroundings import Process
from fanout.workers.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fanout.shm.worker_slot import WorkerSlot

EXIT_WAIT = 0.2  # seconds from the end of a killed publisher's channel to that of its process
HELLO_TIMEOUT = 30.0  # seconds; the coordinator sends Hello right after it has started us


class _NotStarted(Exception):
    """Nothing to serve: the coordinator is gone, or said something else than Hello."""


class _OtherVersion(Exception):
    """The publisher is of another version: its files were replaced since it was started."""


def main(control_descriptor: int) -> Exit:
    """Run a worker; returns the exit code of its process."""
    fill_standard()
    own_process.ignore_signals()
    own_process.print_stacks()
    own_process.use_all_descriptors()
    own_process.keep_naps_short()
    channel = _channel_of(control_descriptor)
    try:
        return _run(channel)
    finally:
        channel.close()


def _channel_of(descriptor: int) -> Channel:
    """To the coordinator; what we have to report waits for as long as that does not read."""
    return Channel(socket.socket(fileno=descriptor), is_bounded=False)


def _run(channel: Channel) -> Exit:
    try:
        hello, descriptors = _wait_for_hello(channel)
        own_process.take_name(hello.worker)
        options = _options_of(hello)
        segment = _attach(descriptors[0])
        bells = Doorbell(descriptors[1]), Doorbell(descriptors[2])
    except Exception as error:
        print(f"fanout worker: cannot start: {error}", file=sys.stderr)
        return _exit_for(error, Exit.START)
    gc.disable()  # nothing here makes cycles at a rate; a collection would be a pause
    try:
        # How the user's program is debugged is not for us: a worker would complain of slow turns.
        asyncio.run(_serve(hello, options, segment, channel, *bells), debug=False)
    except (Exception, asyncio.CancelledError) as error:
        code = _exit_for(error, Exit.BUG)
        logging.getLogger("fanout").exception("worker %d ends: %s", hello.worker, code.text)
        return code
    return Exit.OK


def _exit_for(error: BaseException, otherwise: Exit) -> Exit:
    """The exit code that says most of what an error means."""
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, MemoryError) or number in (errno.ENOMEM, errno.ENOSPC):
        return Exit.MEMORY  # ENOSPC: it may watch nothing more, which takes memory of the kernel
    if number in (errno.EMFILE, errno.ENFILE):
        return Exit.DESCRIPTORS
    if isinstance(error, _OtherVersion):
        return Exit.VERSION
    if isinstance(error, RefusedError):
        return Exit.REFUSED
    return otherwise


def _failure_of(context: dict[str, object], slot: WorkerSlot) -> BaseException:
    """What the loop says has failed; with whom this worker was busy is noted for who goes on."""
    error = context.get("exception")
    failed = error if isinstance(error, BaseException) else RuntimeError(str(context))
    if _exit_for(failed, Exit.BUG) is Exit.BUG:  # else it is the system's fault, and nobody's
        slot.resuming = slot.resuming or subscriber_of(failed)
    return failed


async def _serve(
    hello: Hello,
    options: Options,
    segment: Segment,
    channel: Channel,
    doorbell: Doorbell,
    room: Doorbell,
) -> None:
    own_process.be_nice(options.worker_nice)
    loop = asyncio.get_running_loop()
    around = Process(hello.worker, options, segment, channel, (doorbell, room), loop)
    worker = Worker(options, around)
    failures: list[BaseException] = []

    def on_failure(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        failures.append(_failure_of(context, around.slot))
        worker.finished(failed=True)

    loop.set_exception_handler(on_failure)
    leftovers = worker.orders.leftovers
    with _coordinator_watched(hello.coordinator_pid, channel, worker.orphaned, leftovers.remove):
        channel.send(Started(os.getpid()))
        await worker.run()
    if failures:
        raise failures[0]


@contextlib.contextmanager
def _coordinator_watched(
    pid: int, channel: Channel, orphaned: Callable[[], None], remove_left: Callable[[], None]
) -> Iterator[None]:
    """Tell the worker when the coordinator's process ends; in the end remove what that has left.

    End of file alone does not tell: a process forked from the coordinator's holds the channel too.
    """
    try:
        with needed("pidfd_open", "tells when the publisher has ended"):
            descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        orphaned()
        yield
        remove_left()
        return
    loop = asyncio.get_running_loop()

    def gone() -> None:
        loop.remove_reader(descriptor)
        orphaned()

    loop.add_reader(descriptor, gone)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        # It is readable once the process has ended, which its channel does a little before.
        if _is_readable(descriptor, EXIT_WAIT if channel.closed else 0.0):
            remove_left()
        os.close(descriptor)


def _is_readable(descriptor: int, timeout: float) -> bool:
    """Whether something is to be read from it, or is within so many seconds."""
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(timeout * 1000))


def _wait_for_hello(channel: Channel) -> tuple[Hello, list[int]]:
    if not _is_readable(channel.socket.fileno(), HELLO_TIMEOUT):
        raise _NotStarted(f"no Hello within {HELLO_TIMEOUT} s")
    try:
        received = channel.receive(1)
    except ControlError as error:
        raise _OtherVersion(f"not understood: {error}") from error
    if not received:
        raise _NotStarted("the coordinator is gone")
    message, descriptors = received[0]
    if not isinstance(message, Hello):
        raise _NotStarted(f"expected Hello, got {message}")
    if len(descriptors) != message.descriptors:  # the system drops what it finds no number for
        raise OSError(errno.EMFILE, "no descriptors left for the log and the doorbells")
    return message, descriptors


def _options_of(hello: Hello) -> Options:
    settings: dict[str, Any] = dict(hello.options)
    try:
        return Options(**settings)
    except (TypeError, ConfigError) as error:
        raise _OtherVersion(str(error)) from error


def _attach(descriptor: int) -> Segment:
    try:
        return Segment.attach(descriptor, writable=True)
    except StartupError as error:
        if isinstance(error.__cause__, OSError):
            raise OSError(error.__cause__.errno, str(error)) from error
        raise _OtherVersion(str(error)) from error
