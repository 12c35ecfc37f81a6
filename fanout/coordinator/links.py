"""The worker processes of a publisher: start, talk to, watch and end them. Shell."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

from fanout.basics.descriptors import duplicate
from fanout.control.channel import Channel, ChannelFull, Strain
from fanout.control.judging import Forget
from fanout.control.messages import Adopt, Hello
from fanout.coordinator.lives import Sight
from fanout.coordinator.socket_files import news
from fanout.shm.worker_slot import NO_TAIL, WorkerSlot
from fanout.transport.socket_queues import unsent_in_kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fanout.control.judging import Secure
    from fanout.control.messages import Message
    from fanout.coordinator.lives import Condition
    from fanout.coordinator.socket_files import Known, SocketFiles
    from fanout.coordinator.surroundings import Process
    from fanout.options import Options
    from fanout.shm.bells import Bell
    from fanout.shm.doorbell import Doorbell
    from fanout.shm.segment import Segment

REAP_WAIT = 1.0  # seconds for the end of a process that was killed, or lost its channel


class WorkerLink:
    """The coordinator's end of one worker: its process, channel, slot and doorbell.

    The bell and the slot outlive the process: a replacement takes them over. So does what counts
    how often what we told it had to wait.

    Args:
        secure: by protocol, what a worker needs for it; changed by others.
        files: that it removes if this process is killed; changed by others.
    """

    def __init__(
        self,
        segment: Segment,
        room: Doorbell,
        secure: Mapping[str, Secure],
        files: SocketFiles,
        index: int,
        bell: Bell,
    ) -> None:
        self.index = index
        self.slot = WorkerSlot(segment, index)
        self.bell = bell
        self.strain = Strain()
        self.process: Process | None = None
        self.channel: Channel | None = None
        self._segment = segment
        self._room = room
        self._secure = secure
        self._told: set[str] = set()  # which of these its process has been sent
        self._files = files
        self._told_files: Known = {}
        self._signs = (0, 0)  # heartbeat and progress at the last look
        self.slot.release()

    @property
    def pid(self) -> int:
        """Process id, 0 if there is none."""
        return self.process.pid or 0 if self.process is not None else 0

    def look(self, head: int, read_condition: Callable[[int], Condition | None]) -> Sight:
        """What a look at it shows; the kernel is asked only about one that stands still.

        Args:
            head: of the log.
            read_condition: as `surroundings.read_condition`.
        """
        slot, channel = self.slot, self.channel
        before, self._signs = self._signs, (slot.heartbeat, slot.progress)
        heartbeat, progress = self._signs
        has_hung_up = channel is not None and channel.closed
        if heartbeat != before[0] and progress != before[1]:
            return Sight(heartbeat, has_hung_up, progress)
        has_messages = slot.tail != NO_TAIL and slot.front < head
        is_waited_for = has_messages or (channel is not None and _is_unread(channel))
        condition = read_condition(self.pid) if self.pid else None
        return Sight(heartbeat, has_hung_up, progress, is_waited_for, condition)

    def start(self, options: Options, start_process: Callable[[int, int], Process]) -> None:
        """Start a process; it says `Started` over the channel when it serves.

        Args:
            start_process: as `surroundings.start_process`.

        Raises:
            OSError: the system cannot give a process or a descriptor; nothing is left behind.
        """
        self.slot.heard = 0
        with ExitStack() as undo:
            descriptors = []
            for fd in (self._segment.fd, self.bell.doorbell.fd, self._room.fd):
                descriptors.append(duplicate(fd))
                undo.callback(os.close, descriptors[-1])
            ours, theirs = Channel.pair()
            undo.callback(ours.close)
            with theirs:
                process = start_process(self.index, theirs.fileno())
            undo.pop_all()
        self.process = process
        self.channel = Channel(ours, self.strain)
        self._told.clear()
        self._told_files = {}
        hello = Hello(self.index, os.getpid(), asdict(options))
        self.channel.send(hello, tuple(descriptors))

    def say(self, message: Message, descriptors: tuple[int, ...] = ()) -> None:
        """Send it a message at the end of this turn; takes over the descriptors.

        Without a channel there is nobody to say it to.

        Raises:
            ChannelFull: it has not read for very long.
        """
        if self.channel is not None:
            if isinstance(message, Adopt):
                self._hand_keys(self.channel, message.protocol)
            self.channel.post(message, descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)

    def flush(self, channel: Channel) -> bool:
        """Send what waits, and what keys and files there are, or no more are; see `Channel`.

        So what is made of keys is loaded when their endpoint comes, and not when somebody does, or
        is handed on from a worker that was lost: that would keep all others here waiting.
        """
        if self._secure.keys() != self._told:
            with suppress(ChannelFull):  # it is told the next time
                for protocol in self._told - self._secure.keys():
                    channel.post(Forget(protocol))
                    self._told.remove(protocol)
                for protocol in list(self._secure):
                    self._hand_keys(channel, protocol)
        known = self._files.known
        if known is not self._told_files:
            with suppress(ChannelFull):  # it is told of all of them again, the next time
                for message in news(self._told_files, known):
                    channel.post(message)
                self._told_files = known
        return channel.flush()

    def _hand_keys(self, channel: Channel, protocol: str) -> None:
        """Once, before the first connection of a protocol that needs them."""
        secure = self._secure.get(protocol)
        if secure is not None and protocol not in self._told:
            channel.post(secure)
            self._told.add(protocol)

    def abort(self) -> None:
        """Have the process print where it hangs, and end, if it still can."""
        if self.process is not None:
            with suppress(OSError):  # not permitted: killing it comes next, and says so
                self.process.abort()

    def kill(self) -> None:
        """End the process at once, whatever it does.

        Raises:
            OSError: the system does not permit it.
        """
        if self.process is not None:
            self.process.kill()

    def hang_up(self) -> None:
        """Close our end of the channel: the process ends when it notices."""
        channel, self.channel = self.channel, None
        if channel is not None:
            channel.close()

    def reap(self, timeout: float = REAP_WAIT) -> int | None:
        """After its end: release what we held for the process; returns its exit code.

        One that has not ended yet is waited for `timeout` seconds, and then left to itself.
        """
        process, self.process = self.process, None
        with ExitStack() as steps:  # each is done, whatever another one raises
            if process is not None:
                steps.callback(process.close)
            self.hang_up()
            if process is None:
                return None
            process.join(timeout)
            return process.exitcode


def _is_unread(channel: Channel) -> bool:
    """Whether the other side has still to read something, sent or not."""
    if channel.closed:
        return False
    return channel.pending > 0 or unsent_in_kernel(channel.socket) > 0
