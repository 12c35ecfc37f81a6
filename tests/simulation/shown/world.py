"""The world of one seed: a publisher that keeps last values, workers that show them, newcomers.

What is real is all that is under test: turns of workers, the log, the keeper of values. Between any
two stores of the publisher a worker may have its turn, and between any two looks of a worker the
publisher may; what may be overwritten is garbage at once.
"""

from __future__ import annotations

import gc
from collections import deque
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from fanout.control.messages import Adopt, Closed, KeyframeWanted, SetPolicy, Subscriptions
from fanout.reasons import Reason
from fanout.shm.layout import H_EPOCH
from fanout.workers.tuning import ShowTuning, Tuning
from tests.simulation.peers import Kind, command
from tests.simulation.policies import Rules, of_options
from tests.simulation.shown.choosing import hello, random_policy, random_since, random_wants
from tests.simulation.shown.model import Viewer
from tests.simulation.shown.observing import observe
from tests.simulation.shown.publishing import KEYED, SUBSCRIBERS_MAX
from tests.simulation.shown.settling import ShownSettling
from tests.simulation.shown.stream import Stream
from tests.simulation.shown.worker import ShownWorker
from tests.simulation.sockets import FakeSocket
from tests.simulation.telling import ALL, LOSSES, NOTHING
from tests.simulation.violated import require

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fanout.control.messages import Message as Report
    from fanout.terms.slow_policy import SlowPolicy

STEPS = 400
PREFIXES = (b"", b"x", b"xk", b"yk1", b"xv", b"y", b"xk0", b"zz")
AT_ONCE = (1, 3, 7, 10_000)  # how much of something is done at once


class Hello(NamedTuple):
    """What somebody says first; see `Viewer`."""

    said: bytes
    wants: Sequence[bytes]
    level: int
    is_marked: bool
    asks: int | None
    kind: Kind


class ShownWorld(ShownSettling):
    """One run; everything in it follows from the seed."""

    kind = Viewer

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.segment.words[H_EPOCH], rng = self.epoch, self.rng
        self.tuning = Tuning(
            serve_steps=rng.choice((1, 2, 4)),
            span_bytes=rng.choice((100, 3_000)),
            chunk_messages=rng.choice((2, 7, 100)),
            census_messages=rng.choice((4, 64)),
            shared_from=0,
            control_bytes_max=2_000,
            show=ShowTuning(
                places_per_look=rng.choice(AT_ONCE),
                messages_per_look=rng.choice(AT_ONCE),
                names_per_look=8 * rng.choice(AT_ONCE),  # with fewer nobody comes to an end
                values_per_send=rng.choice(AT_ONCE),
                in_order=True,  # which is up to the run, not to the process
                # In every other run more is done by each for itself.
                recent_lists=8 * (seed % 2),
                shared_times=1 + 3 * (seed % 2),
            ),
        )
        self._coming: dict[int, deque[SlowPolicy]] = {}  # that the workers were told of
        self._worker_of: dict[int, ShownWorker] = {}
        self._leaving: dict[int, set[bytes]] = {}  # what they have cancelled
        self._next_id = 1
        self._free = list(range(SUBSCRIBERS_MAX))
        self._slot_of: dict[int, int] = {}
        self._made: list[ShownWorker] = []  # and those that are no more

    def run(self, steps: int = STEPS) -> ShownWorld:
        """Live for so many steps, then let everybody catch up.

        Raises:
            Violated, AssertionError: somebody is not sent what it must get.
        """
        with ExitStack() as stack:
            stack.callback(self.close)
            if gc.isenabled():  # when a list is let go of decides who shares it
                stack.callback(gc.enable)
                gc.disable()
            self._observe(stack)
            self._live(steps)
        return self

    def _observe(self, stack: ExitStack) -> None:
        observe(self, stack)

    def close(self) -> None:
        """Give the memory back."""
        for worker in self._made:
            worker.around.close()
        self.readable.close()
        self.segment.close()

    # What happens.

    def _live(self, steps: int) -> None:
        self._begin()
        for topic in KEYED:
            self._publish_one(topic, is_keyframe=True)
        which, weights = zip(*self._actions(), strict=True)
        for action in self.rng.choices(which, weights, k=steps):
            action()
        self._catch_up()

    def _begin(self) -> None:
        for index in range(self.options.workers):
            self.workers.append(ShownWorker(index, self))
        self._made += self.workers

    def _actions(self) -> list[tuple[Callable[[], None], int]]:
        actions: list[tuple[Callable[[], None], int]] = [
            (self._publish, 40),
            (self._turn, 40),
            (self._drain, 40),
            (self._connect, 8),
            (self._subscribe, 4),
            (self._stall, 3),
            (self._disconnect, 1),
            (self._forget, 10),
            (self._tick, 4),
        ]
        if self.has_policies:
            actions += [(self._choose, 6), (self._disconnect, 2), (self._stall, 6)]
        if self.may_cancel:
            actions += [(self._cancel, 4), (self._subscribe, 4)]
        return actions

    def _turn(self) -> None:
        worker = self.rng.choice(self.workers)
        worker.run(worker.real.turn if self.rng.random() < 0.8 else worker.real.sending_turn)
        self.look()

    def _drain(self) -> None:
        for sock in self.sockets.values():
            if not sock.stalled and self.rng.random() < 0.6:
                sock.drain(self.rng.choice((10, 1_000, 100_000)))

    def _stall(self) -> None:
        if self.sockets:
            sock = self.rng.choice(list(self.sockets.values()))
            sock.stalled = not sock.stalled

    def _connect(self) -> None:
        """One comes, or a few at once who want the same."""
        if not self._free:
            return
        worker = self.rng.choice(self.workers)
        count = self.fate.choice((1, 2, 4)) if self.may_crowd else 1
        socks = [self._socket(worker) for _ in self._free[:count]]
        said = self._hello(count, (Kind.PLAIN, Kind.PLAIN, Kind.NUMBERED, Kind.ALONE))
        for sock in socks:
            self._greet(sock, said)
            self._adopt(sock, worker, said.kind)

    def _hello(self, count: int, kinds: Sequence[Kind]) -> Hello:
        """What so many say who come at once."""
        level = LOSSES if self.rng.random() < 0.6 else NOTHING
        if level and self.has_policies and self.fate.random() < 0.4:
            level = ALL
        is_marked = self.rng.random() < 0.5
        asks = self.may_ask and self.fate.random() < 0.6
        asked, last = random_since(self.fate, self.writer.head, self.epoch) if asks else (b"", -1)
        said = hello(level, asked, is_marked=is_marked)
        wants = self.rng.sample(PREFIXES, 1 if asks else self.rng.choice((1, 1, 3)))
        wants = wants if count == 1 else random_wants(self.fate, wants)
        said += b"".join(command(b"\x09SUBSCRIBE" + prefix) for prefix in wants)
        return Hello(said, wants, level, is_marked, last if asks else None, self.rng.choice(kinds))

    def _greet(self, sock: FakeSocket, hello: Hello) -> None:
        subscriber = sock.descriptor
        sock.say(hello.said)
        viewer = self.viewers[subscriber] = self.kind(
            *(self.feed, self._rules(of_options(self.options))),
            level=hello.level,
            is_marked=hello.is_marked,
            is_plain=hello.kind is Kind.PLAIN,
        )
        viewer.asks = hello.asks
        for prefix in hello.wants:
            viewer.wanting.say(prefix, is_wanted=True)
        self._leaving[subscriber] = set()
        self.streams[subscriber] = Stream(viewer.take)

    def _socket(self, worker: ShownWorker) -> FakeSocket:
        sock = FakeSocket(self._next_id, self.rng, lambda: self.writer_step(worker))
        self._next_id += 1
        sock.lossy = sock.faulty = 0.0
        return sock

    def _adopt(self, sock: FakeSocket, worker: ShownWorker, kind: Kind) -> None:
        subscriber = sock.descriptor
        self.sockets[subscriber] = sock
        self._worker_of[subscriber] = worker
        self._slot_of[subscriber] = self._free.pop()
        adopt = Adopt(subscriber, self._slot_of[subscriber], kind.value)
        worker.run(lambda: worker.real.desk.adopt(adopt, [subscriber]))
        if self.has_policies and self.fate.random() < 0.8:
            self._choose_for(subscriber)

    def _subscribe(self) -> None:
        if self.sockets:
            subscriber = self.rng.choice(list(self.sockets))
            prefix = self.rng.choice(PREFIXES)
            leaving, wants = self._leaving[subscriber], self.viewers[subscriber].wanting.wants
            if self.viewers[subscriber].asks is None and prefix not in leaving & wants:
                self._say(subscriber, [(prefix, True)])

    def _cancel(self) -> None:
        """What it has not said yet that it wants is not cancelled, nor the other way round.

        It may want more, or less, of the same instead.
        """
        if self.sockets:
            subscriber, fate = self.fate.choice(list(self.sockets)), self.fate
            known = self.viewers[subscriber].wanting.wants
            wants = known - self._leaving[subscriber]
            if wants:
                prefix = fate.choice(sorted(wants))
                verbs = [(prefix, False)]
                others = [one for one in PREFIXES if one not in known and _overlap(one, prefix)]
                if others and fate.random() < 0.5:
                    verbs.insert(fate.choice((0, 1)), (fate.choice(others), True))
                self._say(subscriber, verbs)

    def _say(self, subscriber: int, verbs: Sequence[tuple[bytes, bool]]) -> None:
        """It wants these from now on, or does not any more; all is said at once."""
        leaving, wanting = self._leaving[subscriber], self.viewers[subscriber].wanting
        for prefix, is_wanted in verbs:
            (leaving.discard if is_wanted else leaving.add)(prefix)
            wanting.say(prefix, is_wanted=is_wanted)
        said = (command((b"\x06CANCEL", b"\x09SUBSCRIBE")[is_] + one) for one, is_ in verbs)
        self.sockets[subscriber].say(b"".join(said))

    def _disconnect(self) -> None:
        if self.sockets:
            sock = self.rng.choice(list(self.sockets.values()))
            sock.broken = sock.ended = True

    # Policies.

    def _rules(self, policy: SlowPolicy) -> Rules:
        return Rules(policy, self.feed.log_bytes, self.feed.entries)

    def _choose(self) -> None:
        if self.sockets:
            self._choose_for(self.fate.choice(list(self.sockets)))

    def _choose_for(self, subscriber: int) -> None:
        """The publisher's program gives it another policy."""
        for worker in self.workers:
            if subscriber in worker.real.desk.peers:
                policy = random_policy(self.fate, is_any=self.may_cancel)
                self._coming.setdefault(subscriber, deque()).append(policy)
                worker.channel.inbound.append((SetPolicy(subscriber, policy.as_dict()), []))

    def obeys(self, subscriber: int, *, is_over: bool) -> None:
        """The next policy of a subscriber is in force, if it is not to be closed by what it had."""
        self.look()
        rules = self._rules(self._coming[subscriber].popleft())
        if is_over:
            return
        self.viewers[subscriber].live.obey(rules, self.now, self.streams[subscriber].bytes)

    def reported(self, report: Report) -> None:
        """A worker says something."""
        if isinstance(report, Subscriptions):
            viewer = self.viewers[report.subscriber]
            viewer.change(report.sequence, report.added, report.cancelled)
        elif isinstance(report, KeyframeWanted):
            self.asked += 1
        elif isinstance(report, Closed):
            if not self.sockets[report.subscriber].broken:
                self._require_too_slow(report)
            self._remove(report.subscriber)
            self._coming.pop(report.subscriber, None)
            self._free.append(self._slot_of.pop(report.subscriber))

    def _remove(self, subscriber: int) -> None:
        self._has_ended = True
        del self.sockets[subscriber], self.streams[subscriber], self.viewers[subscriber]

    def _require_too_slow(self, report: Closed) -> None:
        self.look()
        reason = Reason.of(report.cause)
        require(reason is Reason.TOO_SLOW, f"it was closed: {report.reason}")
        self.parted += 1
        front = self._worker_of[report.subscriber].real.pump.front
        has_rest = self.streams[report.subscriber].is_in_message
        live = self.viewers[report.subscriber].live
        live.require_too_slow(front, self.now, has_rest=has_rest)


def _overlap(one: bytes, other: bytes) -> bool:
    """Whether some topics belong to both."""
    return one.startswith(other) or other.startswith(one)
