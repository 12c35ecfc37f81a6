"""The end of one seed: everybody catches up, and nobody is in the way of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.send.path import ROOM_PART
from fanout.shm.header import Header
from tests.simulation.chances import MILLISECOND, SUBSCRIBERS_MAX, TICKS_APART
from tests.simulation.connecting import Connecting
from tests.simulation.violated import require

if TYPE_CHECKING:
    from tests.simulation.publishing import Attempt
    from tests.simulation.workers import SimulatedWorker

HEARING_ROUNDS = 250  # of `TICKS_APART`: a quarter of the longest `send_timeout`, and three stops
SILENT_MAX = 10_000 * MILLISECOND  # a longer `send_timeout` would be too many ticks to wait for
FILLING_TURNS = 4  # by then most who want something have been sent more than they take
LOOKS = 4  # ticks, at least: two looks at each, and some that have no time for all
END_OF_TIME = 1 << 62  # monotonic ns
SETTLING_TURNS = 5_000  # more than any backlog of the largest log can take


class Settling(Connecting):
    """All that there are; without further chance they come to rest."""

    def _catch_up(self) -> None:
        """No chance any more: every socket takes all it gets, and everybody must get everything."""
        self._lose_late_events()
        self.settling = True
        for worker in self.workers:
            worker.channel.stuck = False
            worker.end_nap()
            if self.is_held:
                self.hearing.hear(worker.index, 1 << 60, lambda: self.writer.head)
        for sock in self.sockets.values():
            sock.capacity, sock.partial, sock.faulty = 1 << 60, 0.0, 0.0
            sock.stalled = False
            sock.drain(1 << 60)
        self._run_until_idle()
        self._hear_again()
        self._require_room()
        self._run_until_idle()
        self._hear_again()
        for worker in self.workers:
            self._require_served(worker)
            worker.run_tick()
            answers = self.checker.answers
            worker.ask()
            worker.run_turn()
            require(self.checker.answers > answers, "a question without an answer")

    def _lose_late_events(self) -> None:
        """Nobody reads for more than half of `send_timeout`, and then nobody hears that some do.

        By then they have been looked at as often as comes before an end (`silence.py`).
        """
        send_timeout = round(self.options.send_timeout * 1_000) * MILLISECOND
        if send_timeout > SILENT_MAX or self._deaf.random() < 0.5:
            return
        for sock in self.sockets.values():
            sock.capacity = sock.queued + 1
        for _ in range(FILLING_TURNS):
            self._publish()
            for worker in self.workers:
                worker.end_nap()
                worker.run_turn()
        for _ in range(max(LOOKS, send_timeout * 8 // 10 // TICKS_APART)):
            self.now += TICKS_APART
            for worker in self.workers:
                worker.run_tick()
        for sock in self.sockets.values():
            if sock.full and self._deaf.random() < 0.7:
                sock.drain_unheard()

    def _isolate(self) -> None:
        """Nobody waits for a subscriber that is stalled: no other one, and not the publisher."""
        if self.writing or any(worker.busy for worker in self.workers):
            return
        self.settling = True
        for worker in self.workers:
            worker.end_nap()
            worker.run_turn()
            turns = 0
            while worker.has_more:
                worker.run_turn()
                turns += 1
                require(turns < SETTLING_TURNS, "a worker that does not come to rest")
            self.checker.isolated(worker)
        if all(model.own_rules.action != "block" for model in self.models.values()):
            self._require_room()
        self.settling = False

    def _require_room(self) -> None:
        """What was refused finds room now."""
        for attempt in range(3 if self._late else 2):  # it may be interrupted once
            if self.refused is not None:
                if attempt == 1 and self._late:
                    self._renew_records()
                self._ask_for_room(self.refused)
                self._make_room(self.refused)
                self.refused = None if self._try(self.refused) else self.refused
        require(self.refused is None, "a send still finds no room")

    def _renew_records(self) -> None:
        """Who is sent the past is so far back that the record of a moment ago may be in the way."""
        for _ in range(SUBSCRIBERS_MAX):
            self.now += TICKS_APART
            for worker in self.workers:
                worker.run_tick()

    def _ask_for_room(self, attempt: Attempt) -> None:
        """The workers are told what is waited for, and rung."""
        size, count = sum(map(len, attempt.wires)), len(attempt.wires)
        header = Header(self.segment)
        header.wanted = self.writer.wanted_tail(size, count, ROOM_PART)
        for worker in self.workers:
            worker.run_turn()
        header.wanted = 0

    def _run_until_idle(self) -> None:
        for worker in self.workers:
            worker.run_turn()
            turns = 0
            reads = worker.real.reads
            while worker.has_more or self._is_any_heard(worker) or self._is_anybody_spared(worker):
                reads.read_spared(END_OF_TIME)
                worker.run_turn()
                turns += 1
                require(turns < SETTLING_TURNS, "a worker that does not come to rest")

    @staticmethod
    def _is_any_heard(worker: SimulatedWorker) -> bool:
        """Of one that is spared an end is told once, and nothing else."""
        spared = {peer.socket.fileno() for peer in worker.real.reads._readable.spared}
        return any(one not in spared for one in worker.readable.ready())

    @staticmethod
    def _is_anybody_spared(worker: SimulatedWorker) -> bool:
        """But for those who have to take their answers first."""
        spared = worker.real.reads._readable.spared
        return any(not (peer.inbox.is_full and peer.member.control) for peer in spared)

    def _hear_again(self) -> None:
        """What was not reported to have room is found out after a while."""
        for _ in range(HEARING_ROUNDS):
            blocked = [
                (worker.pump, member) for worker in self.workers for member in worker.pump.blocked
            ]
            if not any(
                self.sockets[member.id].unheard
                or (pump.waits(member) and self.models[member.id].has_more)
                for pump, member in blocked
            ):
                break
            self.now += TICKS_APART
            for worker in self.workers:
                worker.run_tick()
            self._run_until_idle()

    def _require_served(self, worker: SimulatedWorker) -> None:
        pump = worker.pump
        blocked = [member for member in pump.blocked if member not in pump.rests]
        require(not blocked, "blocked although its socket takes everything")
        for peer in worker.peers.values():
            model = self.models[peer.id]
            require(not model.queue, f"subscriber {peer.id} was forgotten with {model.queue}")
            require(not model.partial, "a torn item at the end of a stream")
            require(not model.telling.untold, f"it was not told of {model.telling.untold}")
            require(not model.coming, f"it has not got {model.coming}")
            require(not model.spoken, "a PING without an answer")
            require(model.socket.read == model.socket.said, "something that was not read")
