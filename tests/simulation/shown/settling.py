"""What there is of subscribers in the world of one seed, and the end: all of them catch up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.shm.layout import H_FLOOR
from tests.simulation.shown.publishing import ShownPublishing
from tests.simulation.violated import Violated, require

if TYPE_CHECKING:
    from tests.simulation.shown.model import Viewer
    from tests.simulation.shown.stream import Stream
    from tests.simulation.shown.worker import ShownWorker
    from tests.simulation.sockets import FakeSocket

SETTLING_TURNS = 5_000
ROUNDS = 6  # of 0.2 s, after which nobody rests any more
ROUNDS_MAX = 60  # after which who has a rate has got all of the log by it


class ShownSettling(ShownPublishing):
    """Subscribers, and what they have got in the end.

    Attributes:
        shown: messages of the past that were sent.
        lost: how often somebody had no keyframe to begin with.
        asked: keyframes that were asked for.
        undecided: topics of which somebody might have got something else as well.
        dropped, conflated: messages that policies took.
        parted: subscribers that were disconnected by theirs.
        cancelled: topics that somebody did not want any more before all of a snapshot was sent.
        replayed: messages that somebody had asked for, for it had missed them.
        viewers, streams: of each subscriber, what it must get, and what it gets.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.viewers: dict[int, Viewer] = {}
        self.streams: dict[int, Stream] = {}
        self.sockets: dict[int, FakeSocket] = {}
        self.shown = self.lost = self.asked = self.undecided = self.replayed = 0
        self.dropped = self.conflated = self.parted = self.cancelled = 0
        self._has_ended = False

    def begin_noting(self) -> None:
        """What happens from now on is noted when it is done."""

    end_noting = begin_noting  # it is

    def _tick(self) -> None:
        self.now += 200_000_000
        for worker in [*self.workers]:
            worker.run(worker.real.tick)
        self.look()

    @property
    def there(self) -> int:
        """What was published before this message may be overwritten."""
        return self.readable.words[H_FLOOR]

    def look(self) -> None:
        """Hold what was sent against what must be."""
        for subscriber, stream in self.streams.items():
            sock = self.sockets[subscriber]
            stream.feed(sock.accepted)
            sock.accepted.clear()
            self.viewers[subscriber].live.require_its_rate(self.now, stream.bytes)

    # The end.

    def _catch_up(self) -> None:
        self.settling = True
        for sock in self.sockets.values():
            sock.capacity, sock.partial, sock.stalled = 1 << 60, 0.0, False
            sock.drain(1 << 60)
        for number in range(ROUNDS_MAX):
            if number >= ROUNDS and not any(one.real.pump.blocked for one in self.workers):
                break
            for worker in self.workers:
                worker.real.idling.end_nap()
                self._settle(worker)
            self._tick()
        self.look()
        for viewer in self.viewers.values():
            viewer.end()
            self.shown += viewer.received
            self.lost += viewer.lost
            self.undecided += viewer.undecided
            self.cancelled += viewer.cancelled
            self.replayed += viewer.replayed
            self.dropped += viewer.dropped
            self.conflated += len(viewer.live.conflated)
        self._require_right_figures()

    def _settle(self, worker: ShownWorker) -> None:
        worker.run(worker.real.turn)
        for _ in range(SETTLING_TURNS):
            if not worker.has_more and not worker.around.readable.any_ready():
                return
            worker.real.reads.read_spared(1 << 62)
            worker.run(worker.real.turn)
        raise Violated("a worker that does not come to rest")

    def _require_right_figures(self) -> None:
        """What was counted is what they got, and did not get."""
        for worker in self.workers:
            for peer in worker.real.desk.peers.values():
                member, viewer = peer.member, self.viewers[peer.id]
                dropped, conflated = viewer.dropped, len(viewer.live.conflated)
                want = f"{dropped} are missing, and {conflated} were replaced"
                got = member.dropped, member.conflated
                require(got == (dropped, conflated), f"{got} were counted, {want}")
        if self._has_ended:
            return
        totals = [worker.real.pump.totals for worker in self.workers]
        missing = sum(viewer.missing + viewer.replayed for viewer in self.viewers.values())
        lost = sum(one.keyframes_lost for one in totals)
        require(lost == self.lost, f"{lost} keyframes lost, not {self.lost}")
        require(bool(lost) == bool(self.asked), f"{lost} lost, {self.asked} asked for")
        shown = sum(one.from_snapshot + one.replayed for one in totals)
        require(shown == self.shown + missing, f"{shown} were shown, {self.shown} came")
