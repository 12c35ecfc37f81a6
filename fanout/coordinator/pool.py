"""The pool: all workers of a publisher, and what they say. Shell around their links.

What has to be done about it is returned as actions; who calls carries them out.
"""

from __future__ import annotations

import math
import os
import selectors
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING

from fanout.basics.exits import describe_exit
from fanout.basics.system_calls import explain, explain_unwatched
from fanout.control.channel import ChannelFull
from fanout.control.messages import Adopt, ControlError, Evict
from fanout.control.takeover import Released, Resumed
from fanout.coordinator import reports
from fanout.coordinator.actions import Complain
from fanout.coordinator.areas import Areas
from fanout.coordinator.dropping import Dropping
from fanout.coordinator.figures import final_of
from fanout.coordinator.links import REAP_WAIT, WorkerLink
from fanout.coordinator.lives import Life
from fanout.coordinator.lost import Losses
from fanout.coordinator.shifts import Shifts
from fanout.coordinator.wrecks import Slices, Wrecks
from fanout.reasons import Reason
from fanout.shm.header import Header
from fanout.shm.subscriber_slot import SubscriberSlots
from fanout.shm.worker_slot import WorkerState

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from fanout.control.messages import Closed, Message
    from fanout.coordinator.actions import Action
    from fanout.coordinator.lives import Sight
    from fanout.coordinator.lost import Unreported
    from fanout.coordinator.roster import Accepted
    from fanout.coordinator.state import State
    from fanout.coordinator.surroundings import Surroundings
    from fanout.options import Options
    from fanout.shm.bells import Bell
    from fanout.shm.doorbell import Doorbell
    from fanout.shm.segment import Segment

LEAVING_PAUSE = 0.002  # seconds between two pieces of a list that is taken out: others go first
REPORTS_PER_PIECE = 8  # while workers report in each turn, a piece is taken out in one of so many

_READ_AND_WRITE = selectors.EVENT_READ | selectors.EVENT_WRITE


class Pool:
    """Starts workers, talks to them and takes their reports; on the coordinator's thread.

    Its mutable state: the links, which of their descriptors the selector watches, and for how many
    turns there were reports. A descriptor is watched with a function that acts on it, and returns
    what is to be done.

    Args:
        state: what reports change.
        selector: the coordinator's.
        bells: of the workers, one for each.
        room: rung by a worker that has moved on.
    """

    def __init__(
        self,
        options: Options,
        segment: Segment,
        bells: Sequence[Bell],
        room: Doorbell,
        state: State,
        selector: selectors.BaseSelector,
        surroundings: Surroundings,
    ) -> None:
        self._link = partial(WorkerLink, segment, room, state.secure, state.socket_files)
        self.links = [self._link(index, bell) for index, bell in enumerate(bells)]
        self._options = options
        losses = Losses(segment, state.interest, state.changes, surroundings.now)
        self._wrecks = Wrecks(state, losses, partial(_final_of, segment), surroundings.now)
        self._segment = segment
        self._header = Header(segment)
        self._state = state
        self._selector = selector
        self._now = surroundings.now
        self._start_process = surroundings.start_process
        self._read_condition = surroundings.read_condition
        say = partial(_say, self.links, state)  # without this pool: there is to be no circle
        parts = segment, state, self._wrecks, say, self.links, surroundings
        self._shifts = Shifts(
            *parts,
            handshake_timeout=options.handshake_timeout,
            rebalance=options.rebalance,
        )
        self._handing_on = self._shifts.handing_on
        self.moving = self._shifts.moving
        self._areas = Areas(segment, state.takeovers)
        self._has_reports = False  # of this turn
        self._turns_with_reports = 0  # one after another, while there was something to take out

    def enlarge(self, bells: Sequence[Bell]) -> None:
        """There may be more workers from now on: as many as there are bells."""
        state = self._state
        for index in range(len(self.links), len(bells)):
            self.links.append(self._link(index, bells[index]))
            life = Life(index, WorkerState.RETIRED, restarts=-1)  # it was never started
            state.supervision.lives.append(life)
        state.roster.enlarge(len(self.links))

    def sights(self) -> list[Sight]:
        """A look at all workers."""
        head = self._header.head
        return [link.look(head, self._read_condition) for link in self.links]

    def dropping(self) -> Dropping:
        """Who loses messages, by what the workers say in shared memory."""
        links, slots = self.links, SubscriberSlots(self._segment)
        connections = self._state.roster.connections
        return Dropping(lambda: sum(link.slot.dropped for link in links), slots, connections)

    def start(self, worker: int) -> list[Action]:
        """Start a process for a worker; if the system gives none, it has ended."""
        link = self.links[worker]
        link.slot.area = self._areas.give(worker)
        try:
            link.start(self._options, self._start_process)
            self._watch(link)
        except Exception as error:
            describe = explain
            if link.process is not None:  # it runs, and nobody would notice its end
                self._try_to_kill(link)
                self._forget(link)
                describe = explain_unwatched
            why = describe(error) if isinstance(error, OSError) else error
            return self._ended(link, f"could not be started: {why}")
        return self._state.supervision.started(worker)

    def kill(self, worker: int) -> list[Action]:
        """End a worker's process; one that we may not kill is left to itself, and told of.

        It ends when it finds its channel closed. Until then it has no subscribers, holds nothing
        back, and is not replaced: two processes would write into one slot.
        """
        link = self.links[worker]
        try:
            link.kill()
        except OSError as error:
            return self.leave(worker, error.strerror or str(error))
        return []

    def leave(self, worker: int, problem: str) -> list[Action]:
        """Wait no longer for a process that does not end; `problem` says why, for people."""
        link = self.links[worker]
        if link.channel is not None:
            self._unwatch(link.channel.socket)
        link.hang_up()
        return self._handing_on.leave(worker, self._state.supervision.left(worker, problem))

    def say(self, worker: int, message: Message, descriptors: tuple[int, ...] = ()) -> list[Action]:
        """Send a message with the end of this turn; who has not read for very long is condemned.

        Takes over the descriptors.
        """
        return _say(self.links, self._state, worker, message, descriptors)

    def hand_over(self, connection: Accepted, descriptor: int) -> list[Action]:
        """Give a connection to its worker; takes over `descriptor`."""
        adopt = Adopt(
            *(connection.subscriber, connection.slot, connection.protocol, connection.debt)
        )
        return self.say(connection.worker, adopt, (descriptor,))

    def wake(self, worker: int, since: int) -> None:
        """Ring for a worker that sleeps, if anything was published from message `since` on.

        Who publishes later looks for whom to ring after the commit, and interest was changed before
        this looks at the head: one of the two sees the other.
        """
        if self._header.head != since:
            self.links[worker].bell.wake()

    @property
    def has_wrecks(self) -> bool:
        """Whether something of lost workers is left to be cleared."""
        return self._wrecks.pending

    @property
    def goes_on(self) -> bool:
        """Whether others are about to go on with connections of lost workers."""
        state = self._state
        return state.takeovers.pending and not state.supervision.broken

    @property
    def may_wait(self) -> float:
        """Seconds after which there is something to clear, if nothing happens before."""
        if self._wrecks.pending:
            return 0.0
        pause = LEAVING_PAUSE if self._state.interest.has_leaving else math.inf
        return min(pause, self._shifts.may_wait)

    def clear(self) -> list[Action]:
        """Clear, for a slice, what lost workers have left, and who is gone wanted."""
        interest = self._state.interest
        if interest.has_leaving:
            self._turns_with_reports = self._turns_with_reports + 1 if self._has_reports else 0
            if self._turns_with_reports % REPORTS_PER_PIECE == 0:
                interest.take_out()
        self._has_reports = False
        self._areas.tidy()
        return self._wrecks.go_on() + self._shifts.go_on()

    def owed(self) -> Slices[dict[int, tuple[int, bool]]]:
        """Count what subscribers have not got, as if their workers had just been lost."""
        return Slices(self._wrecks.owed(), {}, self._now)

    def flush(self) -> None:
        """Send what waits for a worker to read, and be woken when it has read more."""
        for link in self.links:
            channel = link.channel
            if channel is None or channel.closed:
                continue
            wanted = selectors.EVENT_READ if link.flush(channel) else _READ_AND_WRITE
            key = self._selector.get_key(channel.socket)
            if key.events != wanted:
                self._selector.modify(channel.socket, wanted, key.data)

    def end_processes(self) -> None:
        """End every process that is left: all of them, whatever is raised meanwhile."""
        until = self._now() + REAP_WAIT  # for all of them: some may have been left to themselves
        with ExitStack() as steps:  # the last is done first
            for link in self.links:
                steps.callback(self._reap, link, until)
            for link in self.links:
                steps.callback(link.hang_up)
            for link in self.links:
                steps.callback(self._try_to_kill, link)

    def abandon(self) -> list[Action]:
        """End the connections that are left when nobody will report their end any more."""
        actions = self._wrecks.finish()
        actions += self._shifts.abandon()
        for link in self.links:
            if self._state.roster.served_by(link.index):
                actions += self._wrecks.add(link.index, [])
        return actions + self._wrecks.finish()

    def release(self) -> None:
        """Give up, in shared memory, what the ended workers have held back."""
        for link in self.links:
            link.slot.release()

    def _on_channel(self, link: WorkerLink) -> list[Action]:
        return self._take_reports(link)[1]

    def _on_exit(self, link: WorkerLink) -> list[Action]:
        actions = self.take_last_reports(link)
        code = self._forget(link)
        return actions + self._ended(link, describe_exit(code), code)

    def _watch(self, link: WorkerLink) -> None:
        assert link.process is not None
        assert link.channel is not None
        sentinel, channel = link.process.sentinel, link.channel.socket
        self._selector.register(sentinel, selectors.EVENT_READ, lambda: self._on_exit(link))
        self._selector.register(channel, selectors.EVENT_READ, lambda: self._on_channel(link))

    def _forget(self, link: WorkerLink) -> int | None:
        """Release what we held for a process; returns its exit code."""
        if link.channel is not None:
            self._unwatch(link.channel.socket)
        if link.process is not None:
            self._unwatch(link.process.sentinel)
        return link.reap()

    def _reap(self, link: WorkerLink, until: float) -> None:
        link.reap(max(0.0, until - self._now()))

    def _try_to_kill(self, link: WorkerLink) -> None:
        with suppress(OSError):  # not permitted: it ends by itself, once its channel is closed
            link.kill()

    def _take_reports(self, link: WorkerLink) -> tuple[bool, list[Action]]:
        """Take what a worker has sent: whether there was anything, and what is to be done."""
        channel = link.channel
        if channel is None:
            return False, []
        received = []
        actions: list[Action] = []
        try:
            received = channel.receive()
            self._has_reports = self._has_reports or bool(received)
            for message, descriptors in received:
                for descriptor in descriptors:
                    os.close(descriptor)  # workers send none
                if isinstance(message, Resumed | Released):
                    actions += self._shifts.heard(link.index, message)
                else:
                    actions += reports.take(self._state, link.index, message, self._now())
            link.slot.heard += len(received)  # last: from here on it is rung for what they want
        except ControlError as error:
            actions.append(Complain(f"worker {link.index} sent what it cannot send", error))
            reason = "it sent what it cannot send"
            actions += self._state.supervision.condemn(link.index, reason)
        if channel.closed:
            self._unwatch(channel.socket)
        return bool(received), actions

    def take_last_reports(self, link: WorkerLink) -> list[Action]:
        """What a worker has reported before its end still counts, however much it is."""
        actions: list[Action] = []
        more = True
        while more:
            more, taken = self._take_reports(link)
            actions += taken
        return actions

    def _ended(self, link: WorkerLink, how: str, code: int | None = None) -> list[Action]:
        told = self._state.supervision.ended(link.index, how, self._now(), code)
        self._areas.leave(link.index)
        return self._handing_on.lose(link.index, told, code)

    def _unwatch(self, file: socket.socket | int) -> None:
        with suppress(KeyError):  # it is not watched any more
            self._selector.unregister(file)


def _say(
    links: Sequence[WorkerLink],
    state: State,
    worker: int,
    message: Message,
    descriptors: tuple[int, ...],
) -> list[Action]:
    if isinstance(message, Evict) and not state.takeovers.note_evict(message):
        return []
    try:
        links[worker].say(message, descriptors)
    except ChannelFull as error:
        return state.supervision.condemn(worker, f"it does not read: {error}")
    return []


def _final_of(segment: Segment, connection: Accepted, cause: Reason, later: Unreported) -> Closed:
    evicted = cause is not Reason.PUBLISHER_CLOSED
    return final_of(segment, connection, cause, later, evicted=evicted)
