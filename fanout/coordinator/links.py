"""The worker processes of a publisher: start, talk to, watch and end them. Shell."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING

from fanout.control.channel import Channel, ChannelFull
from fanout.control.messages import Adopt, Hello
from fanout.coordinator.spawn import WorkerProcess
from fanout.shm.worker_slot import WorkerSlot

if TYPE_CHECKING:
    from fanout.control.messages import Message
    from fanout.coordinator.roster import Accepted
    from fanout.options import Options
    from fanout.shm.bells import Bell
    from fanout.shm.doorbell import Doorbell
    from fanout.shm.segment import Segment


class WorkerLink:
    """The coordinator's end of one worker: its process, channel, slot and doorbell.

    The bell and the slot outlive the process: a replacement takes them over.
    """

    def __init__(self, index: int, segment: Segment, bell: Bell, room: Doorbell) -> None:
        self.index = index
        self.slot = WorkerSlot(segment, index)
        self.bell = bell
        self.process: WorkerProcess | None = None
        self.channel: Channel | None = None
        self._killed_because = ""  # why we have killed the process, if we have
        self.silent_for = 0.0  # seconds without a heartbeat, as the coordinator has seen them
        self.last_heartbeat = 0
        self.hung_up = False  # its channel was closed when the coordinator last looked
        self._segment = segment
        self._room = room
        self.slot.release()

    @property
    def pid(self) -> int:
        """Process id, 0 if there is none."""
        return self.process.pid or 0 if self.process is not None else 0

    def start(self, options: Options) -> None:
        """Start a process; it says `Started` over the channel when it serves.

        Raises:
            OSError: the system cannot give a process or a descriptor; nothing is left behind.
        """
        with ExitStack() as undo:
            descriptors = []
            for fd in (self._segment.fd, self.bell.doorbell.fd, self._room.fd):
                descriptors.append(os.dup(fd))
                undo.callback(os.close, descriptors[-1])
            ours, theirs = Channel.pair()
            undo.callback(ours.close)
            with theirs:
                process = WorkerProcess(self.index, theirs.fileno())
                process.start()
            undo.pop_all()
        self.process = process
        self._killed_because = ""
        self.channel = Channel(ours)
        self.silent_for = 0.0
        self.hung_up = False
        hello = Hello(self.index, os.getpid(), asdict(options))
        self.channel.send(hello, tuple(descriptors))

    def adopt(self, connection: Accepted, descriptor: int) -> None:
        """Hand a connection over; takes over `descriptor`."""
        if self.channel is None:
            os.close(descriptor)
            return
        message = Adopt(connection.subscriber, connection.slot, connection.protocol)
        self.say(message, (descriptor,))

    def say(self, message: Message, descriptors: tuple[int, ...] = ()) -> None:
        """Send it a message at the end of this turn; if it has not read for very long, kill it.

        Takes over the descriptors. Without a channel there is nobody to say it to.
        """
        try:
            if self.channel is not None:
                self.channel.post(message, descriptors)
        except ChannelFull as error:
            self.kill(f"it does not read: {error}")

    def watch(self, elapsed: float) -> float:
        """Note whether the worker lives; returns for how many seconds it has not been seen to.

        Counts what the coordinator itself has witnessed: time in which it was stopped too (a
        laptop that slept, a paused machine) is no evidence against the worker.
        """
        heartbeat = self.slot.heartbeat
        if heartbeat != self.last_heartbeat:
            self.last_heartbeat = heartbeat
            self.silent_for = 0.0
        else:
            self.silent_for += elapsed
        return self.silent_for

    def kill(self, reason: str) -> None:
        """End the process at once, whatever it does; `reap()` will say why."""
        if self.process is not None:
            self._killed_because = self._killed_because or reason  # what follows from it is none
            self.process.kill()

    def reap(self) -> str:
        """After its end: release what belonged to the process; returns how it ended."""
        process, self.process = self.process, None
        if self.channel is not None:
            self.channel.close()
            self.channel = None
        code: int | None = None
        if process is not None:
            process.join()
            code = process.exitcode
            process.close()
        self.slot.release()  # it is ours from here on
        if process is None:
            return "never started"
        reason = self._killed_because
        return f"killed by us: {reason}" if reason else describe_exit(code)


def describe_exit(code: int | None) -> str:
    """How a process ended, for people."""
    if code is None:
        return "ended; another part of this program collected its exit status"
    if code >= 0:
        return f"exit status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = " (out of memory?)" if -code == signal.SIGKILL else ""
    return f"killed by {name}{hint}"
