"""One seed: a publisher, workers that die, the coordinator, subscribers, and chance."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any
from unittest import mock

from fanout.control.messages import Closed, Connected
from fanout.control.takeover import Released, Resumed
from fanout.options import Options
from fanout.reasons import Reason
from fanout.shm import layout as at
from fanout.shm.layout import Layout
from fanout.shm.subscriber_slot import SubscriberSlot
from fanout.shm.value_layout import H_VALUE_TOPICS, NO_TABLE
from fanout.slow_policy import SlowPolicy
from fanout.transport import kernel
from fanout.workers.policy.choice import policy_of
from fanout.workers.tuning import Tuning
from tests.simulation.catching_up import CatchingUp, Log, random_since
from tests.simulation.kernel import Connection
from tests.simulation.peers import PREFIXES
from tests.simulation.policies import Rules, random_policy
from tests.simulation.processes import Flag
from tests.simulation.takeovers.coordinator import Coordinator
from tests.simulation.takeovers.ends import may_end, require_final
from tests.simulation.takeovers.fate import GIVING_UP, NAMED, TAKING_OVER, UNIX_STORES
from tests.simulation.takeovers.machine import Machine
from tests.simulation.takeovers.memory import new_memory
from tests.simulation.takeovers.missing import House
from tests.simulation.takeovers.processes import Process
from tests.simulation.takeovers.published import TOPICS, Publisher
from tests.simulation.takeovers.shown import (
    TABLE,
    ShownSubscriber,
    ValuedPublisher,
    shown_at_once,
)
from tests.simulation.takeovers.subscriber import Subscriber
from tests.simulation.unix_kernel import UnixConnection
from tests.simulation.violated import Violated, require

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.control.messages import Message, Subscriptions
    from fanout.coordinator.roster import Accepted
    from fanout.workers.policy.base import Policy

MILLISECOND = 1_000_000
STEPS = 130
SLOTS = 6
SEATS = 4  # workers that there may be
LOG_BYTES = 64 * 1024
ROUNDS_MAX = 5_000  # until everybody has everything; 100 bytes in each may be all that is sent
POLICIES = (
    SlowPolicy("block"),
    SlowPolicy("block"),
    SlowPolicy("block"),
    SlowPolicy("drop_oldest"),
    SlowPolicy("drop_oldest", limit_bytes=2_000),
    SlowPolicy("drop_oldest", limit_messages=3),
    SlowPolicy("conflate"),
    SlowPolicy("conflate", min_interval=0.3),
    SlowPolicy("drop_newest", limit_messages=3),
    SlowPolicy("disconnect", limit_messages=40),
)
BOUNDS = (
    SlowPolicy(limit_bytes=1_000, limit_messages=20, limit_age=1.0, max_rate=500_000),
    SlowPolicy("block", limit_messages=2),
)
SIZES = ((0, 9), (9, 60, 300), (60, 3_000, 9_000), (9_000,))  # of payloads
EVERYTHING = 1 << 30
LATE_FROM = 10_000  # seeds from here on have subscribers that catch up
BACK_FROM = 20_000  # from here on others, that take back all they have said of themselves
SHOWN_FROM = 30_000  # from here on others, that are sent last values
SIGKILL, CONDEMNED = -9, -6


class TakeoverWorld:
    """One run; everything in it follows from the seed.

    Attributes:
        kills: how often somebody died at each kill point, by name.
        resumed, moved: connections that went on, and that were given up for that by who served.
        reasons: why others did not.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = rng = Random(seed)
        self.own = own = Random(~seed)  # another one, that the others come as they came before it
        self.now = 10_000 * MILLISECOND
        self.favourite = NAMED[seed % len(NAMED)]  # so that each kill point has its seeds
        self.kills: Counter[str] = Counter()
        self.resumed = self.moved = self.deliveries = 0
        self.reasons: Counter[str] = Counter()
        self.count = rng.choice((2, 2, 3))
        self.seats = SEATS
        self.is_calm = False
        self.eager = rng.choice((0.0, 0.01, 0.05))  # chance that others have their turn in between
        self.haste = rng.choice((0.0, 0.0, 0.05, 0.5))  # that a part of a turn has to end
        self.prompt = rng.choice((0.5, 0.9, 1.0))  # that what was sent is read in a turn
        self.packets = own.choice((1, 3))  # that a channel takes while nobody reads them
        is_named = self.favourite.rpartition(": ")[2] in UNIX_STORES
        self.unix = 1.0 if is_named else own.choice((0.0, 0.0, 0.3, 1.0))  # of all that connect
        self.past = Random(f"past {seed}")  # as above
        # Of those who connect, that they ask for what they have missed.
        self.late = self.past.choice((0.5, 1.0)) if LATE_FROM <= seed < BACK_FROM else 0.0
        self.refuses = own.random() < 0.1  # a sandbox does not let anybody count what is looked at
        self.unsure: set[int] = set()  # of them nobody knows how much they were sent
        self.untold: set[int] = set()  # nor of these how much was taken of what they have said
        self.short = rng.choice((0.0, 0.0, 0.0, 0.3))  # chance that there is no memory
        self.policy = rng.choice((*POLICIES, random_policy(rng), random_policy(rng)))
        self.chatty = rng.choice((0.0, 0.0, 0.1, 0.3))  # how often they say something of themselves
        self.takes_back = BACK_FROM <= seed < SHOWN_FROM
        self.shows = seed >= SHOWN_FROM
        if self.takes_back:  # and their reports wait for one another
            self.chatty, self.packets = max(self.chatty, 0.3), 1
        if self.shows:
            self.policy, self.chatty = SlowPolicy("block"), 0.0
        self.options = _options(rng, self.count, self.policy)
        self.tuning = _tuning(rng)
        self.entries = 1 << rng.randint(4, 8)
        table = TABLE if self.shows else NO_TABLE
        self.segment = new_memory(Layout(LOG_BYTES, self.entries, SLOTS, table=table))
        if self.shows:
            self.segment.words[H_VALUE_TOPICS] = table.places
        self.segment.words[at.H_EPOCH] = 1
        self.machine = Machine(self._network)
        self.publisher = self._publisher()
        self.house = self._house()
        self.subscribers: dict[int, Subscriber] = {}
        self._busy = [rng.choice((1, 1, 6)) for _ in range(self.seats)]  # how often it has a turn
        self._own_ends = self._refusals = self._not_resumed = 0
        self._is_between = self._is_publishing = False
        self._hanging: list[Process] = []
        self.coordinator = Coordinator(self)

    def _publisher(self) -> Publisher:
        rng = self.rng
        sizes = rng.choice(SIZES)
        kind = ValuedPublisher if self.shows else Publisher
        made = kind(
            *(self.segment, self.seats, rng, sizes, self._beside_the_publisher, lambda: self.now),
            cut=self._cut,
            interruptible=rng.choice((0.0, 0.0, 0.0, 0.03)),
        )
        made.looks_again = self.late > 0
        return made

    def _house(self) -> House:
        """What all subscribers have in common."""
        most, entries = self.options.self_service_bound, Layout.for_options(LOG_BYTES, 1).entries
        most = replace(
            most,
            limit_bytes=most.limit_bytes or LOG_BYTES // 2,
            limit_messages=most.limit_messages or entries // 2,
        )

        def rules(policy: SlowPolicy) -> Rules:
            return Rules(policy, LOG_BYTES, self.entries)

        log = Log(LOG_BYTES, self.entries, self.options.replay_limit)
        return House(self.publisher, self.policy, most, rules, lambda: self.now, log)

    def run(self, steps: int = STEPS) -> TakeoverWorld:
        """Live for so many steps, then let everybody have everything.

        Raises:
            Violated: somebody has not got what he must get.
        """
        try:
            machine = self.machine
            with (
                mock.patch.multiple(kernel, fcntl=machine, select=machine),
                shown_at_once(self.seed),
            ):
                self._live(steps)
        finally:
            self.segment.close()
        return self

    def _live(self, steps: int) -> None:
        self.coordinator.begin()
        for _ in range(3):
            self._turns()
        for _ in range(self.rng.randint(1, SLOTS - 1)):
            self._connect()
        for _ in range(4):
            self._turns()
        actions, weights = zip(*self._actions(), strict=True)
        for action in self.rng.choices(actions, weights, k=steps):
            action()
        self._catch_up()

    def _actions(self) -> list[tuple[Callable[[], None], int]]:
        weight, favourite = self.rng.choice, self.favourite
        moves = (20,) if favourite.startswith(GIVING_UP) else (0, 5, 15)
        leaves = (2,) if favourite in ("close", "shut down") else (0, 0, 1)
        return [
            (self._publish, weight((40, 80))),
            (self._turn, 60),
            (self._tick, weight((3, 10))),
            (self.coordinator_turn, weight((50, 50, 50, 12))),
            (self._drain, weight((10, 30))),
            (self._talk, weight((4, 12, 30))),
            (self._seal, weight((10, 20, 40))),
            (self._kill_all, weight((0, 0, 1))),
            (self._hang, weight((0, 1, 2))),
            (self._end_who_hangs, 4),
            (self._connect, 2),
            (self._leave, weight(leaves)),
            (self._choose, 0 if self.shows else weight((0, 2))),
            (self._move, weight(moves)),
            (self._pass_time, 6),
            (self._stall, weight((0, 0, 1, 4))),
            (self._storm, weight((0, 0, 1))),
            (self.coordinator.restart, weight((0, 0, 1))),
            (self._resize, weight((0, 0, 1))),
        ]

    # What happens.

    def coordinator_turn(self) -> None:
        self.coordinator.turn()

    def _publish(self) -> None:
        if self._is_publishing:
            return
        self._is_publishing = True
        self.publisher.publish()
        self._is_publishing = False

    def _process(self) -> Process | None:
        found = [one for one in self.coordinator.processes.values() if one.works]
        if not found:
            return None
        return self.rng.choices(found, [self._busy[one.index] for one in found])[0]

    def _turn(self) -> None:
        process = self._process()
        if process is not None:
            if self.rng.random() < 0.8:
                process.turn()
            else:
                process.sending_turn()

    def _tick(self) -> None:
        process = self._process()
        if process is not None:
            self.now += self.rng.choice((0, 100, 600)) * MILLISECOND
            process.tick()

    def _turns(self) -> None:
        """Everybody has a turn."""
        self.coordinator.turn()
        for subscriber in self.subscribers.values():
            subscriber.send(EVERYTHING)
        for process in list(self.coordinator.processes.values()):
            process.turn()
        self._drain()

    def _seal(self) -> None:
        """A worker is to die soon; what would bring it there is brought about, perhaps."""
        process = self._process()
        if process is None:
            return
        process.code = self.rng.choice((SIGKILL, SIGKILL, SIGKILL, -11, 1))
        name = process.fate.seal()
        if self.rng.random() < 0.8:
            self._bring_about(name, process)

    def _bring_about(self, name: str, process: Process) -> None:
        """Have a process come to a point of this name, as far as others can."""
        served = self.coordinator.served_by(process.index)
        if name.startswith(TAKING_OVER):
            others = [one for one in self.coordinator.processes.values() if one is not process]
            for other in others[: self.rng.randint(1, 2)]:
                if name.endswith("close"):
                    for subscriber in self.coordinator.served_by(other.index)[:1]:
                        self.subscribers[subscriber].leave()
                self._kill(other)
        elif name.startswith(GIVING_UP):
            for subscriber in served:
                self.coordinator.move(subscriber, self.rng.randrange(self.seats))
        elif name in ("close", "shut down"):
            for subscriber in served[:1]:
                self.subscribers[subscriber].leave()
        elif name == "S_ID":
            self._connect()
        elif name in (
            "peek",
            "peek, done",
            "take",
            "take, done",
            "report",
            "set an option",
            "S_TAKEN",
            "S_TAKING",
        ):
            for subscriber in served:
                self.subscribers[subscriber].talk()

    def _kill(self, process: Process) -> None:
        if process.fate.is_alive and not process.is_busy:
            process.fate.end()
            self.died(process)

    def _kill_all(self) -> None:
        for process in list(self.coordinator.processes.values()):
            self._kill(process)

    def _hang(self) -> None:
        process = self._process()
        if process is not None:
            process.is_stopped = True
            self._hanging.append(process)

    def _end_who_hangs(self) -> None:
        for process in self._hanging:
            if process.fate.is_alive and self.coordinator.processes.get(process.index) is process:
                process.code = CONDEMNED
                self.coordinator.condemn(process.index)
        self._hanging.clear()

    def _connect(self) -> None:
        if self.coordinator.state.supervision.ready:
            self.coordinator.accept(self._subscriber)

    def _subscriber(self, number: int) -> Subscriber:
        rng = self.rng
        kind = UnixConnection if self.own.random() < self.unix else Connection
        connection = kind(
            rng.choice((50, 700, 5_000, 40_000)),
            rng.choice((1_000, 100_000)),
            rng.choice((1, 100, 3_000, 50_000)),
        )
        if isinstance(connection, UnixConnection):
            connection.refuses = self.refuses
        legacy = rng.random() < 0.1
        made = self._made(number, connection, legacy=legacy)
        if rng.random() < 0.5:
            made.talk()
        self.subscribers[number] = made
        return made

    def _made(self, number: int, connection: Connection, *, legacy: bool) -> Subscriber:
        rng, clock = self.past, self.coordinator.clock
        who = number, connection, self.house, self.rng, clock
        if self.shows:
            prefix, is_told = rng.choice((b"", *PREFIXES)), rng.random() < 0.3
            return ShownSubscriber(*who, legacy=legacy, chatty=0.0, prefix=prefix, is_told=is_told)
        catching_up = None if legacy else self._catching_up()
        return Subscriber(*who, legacy=legacy, chatty=self.chatty, catching_up=catching_up)

    def _catching_up(self) -> CatchingUp | None:
        """Somebody has missed something, perhaps."""
        rng, publisher = self.past, self.publisher
        if rng.random() >= self.late:
            return None
        since = random_since(rng, publisher.head)
        return CatchingUp(publisher, self.house.log, since, rng.choice((b"", *PREFIXES)))

    def _some(self) -> Subscriber | None:
        found = list(self.subscribers.values())
        return self.rng.choice(found) if found else None

    def _talk(self) -> None:
        subscriber = self._some()
        if subscriber is None or subscriber.is_leaving:
            return
        if self.takes_back and self.rng.random() < 0.5 and subscriber.take_all_back():
            self._lose_report_of(subscriber)
        else:
            subscriber.talk()

    def _lose_report_of(self, subscriber: Subscriber) -> None:
        """What it has just said is heard, and its worker dies, perhaps before that is reported."""
        subscriber.send(EVERYTHING)
        for process in list(self.coordinator.processes.values()):
            if subscriber.number in self.coordinator.served_by(process.index):
                process.turn()
                if process.works:
                    self._kill(process)

    def _storm(self) -> None:
        """Some leave, and as many connect as may."""
        for subscriber in self.subscribers.values():
            if self.rng.random() < 0.3:
                subscriber.leave()
        for _ in range(SLOTS):
            self._connect()

    def _resize(self) -> None:
        self.coordinator.resize(self.rng.randint(1, self.seats))

    def is_memory_refused(self) -> bool:
        """The system has none for what is to be written to an area now."""
        is_refused = not self.is_calm and self.rng.random() < self.short
        self._refusals += is_refused
        return is_refused

    def _stall(self) -> None:
        subscriber = self._some()
        if subscriber is not None:
            subscriber.is_stalled = not subscriber.is_stalled

    def _leave(self) -> None:
        subscriber = self._some()
        if subscriber is not None:
            subscriber.leave()

    def _choose(self) -> None:
        subscriber = self._some()
        if subscriber is not None and subscriber.is_welcome:
            policy = self.rng.choice((*POLICIES, random_policy(self.rng), None))
            subscriber.chosen.call(policy)
            self.coordinator.call(subscriber.number, policy)

    def _move(self) -> None:
        subscriber = self._some()
        if subscriber is not None:
            self.coordinator.move(subscriber.number, self.rng.randrange(self.seats))

    def _pass_time(self) -> None:
        self.now += self.rng.choice((1, 100, 700)) * MILLISECOND

    def _drain(self) -> None:
        """Some of the network's work, and some of what subscribers do."""
        rng = self.rng
        for subscriber in self.subscribers.values():
            if rng.random() < 0.7:
                subscriber.send(rng.choice((1, 5, 40, EVERYTHING)))
            if subscriber.is_stalled:
                continue
            if rng.random() < 0.6:
                subscriber.connection.acknowledge(rng.choice((1, 30, 2_000, EVERYTHING)))
            if rng.random() < 0.6:
                subscriber.read(rng.choice((10, 1_000, EVERYTHING)))

    def _network(self, connection: Connection) -> None:
        """In the middle of a system call, something comes or is acknowledged."""
        if self.rng.random() < 0.3:
            connection.acknowledge(self.rng.choice((1, 30, 2_000, EVERYTHING)))

    # Others have their turn in the middle of what somebody does.

    def between(self, process: Process) -> None:
        """A worker is between two steps."""
        if self._is_between or self.is_calm or self.rng.random() >= self.eager:
            return
        self._is_between = True
        if self.rng.random() < 0.8:
            self._publish()
        else:
            self._drain()
        self._is_between = False

    def beside_the_coordinator(self) -> None:
        """The coordinator is between two stores."""
        if self.is_calm or self.rng.random() >= 10 * self.eager:
            return
        self.rng.choice((self._publish, self._turn))()

    def _beside_the_publisher(self) -> None:
        """The publisher is between two looks."""
        if self.is_calm or self.rng.random() >= self.eager:
            return
        self.rng.choice((self.coordinator.turn, self._turn))()

    def _cut(self, head: int) -> None:
        """Nothing was published from this message on, though it looked like that."""
        for subscriber in self.subscribers.values():
            subscriber.cut(head)

    # What is heard of.

    def start(self, worker: int) -> Process:
        return Process(self, worker)

    def died(self, process: Process) -> None:
        """The system does what it does for who is dead."""
        process.fate.is_alive = False
        for number, subscriber in self.subscribers.items():
            if subscriber.connection is process.sends_to:
                self.unsure.add(number)
            if subscriber.connection is process.takes_from and self.refuses:
                self.untold.add(number)
        for messages in process.channel.coming:
            for _message, descriptors in messages:
                for descriptor in descriptors:
                    self.machine.owner[descriptor] = process
        process.channel.coming.clear()
        self.machine.close_all(process)

    def ended(self, process: Process) -> None:
        """The coordinator has seen the end of a process."""
        self._own_ends += process.code != SIGKILL

    def reported(self, message: Subscriptions) -> None:
        """A change has left its worker."""
        subscriber = self.subscribers.get(message.subscriber)
        if subscriber is not None:
            subscriber.reported(message.sequence, message.added, message.cancelled)

    def promised(self, message: Subscriptions) -> None:
        """A worker has seen how far back it can send somebody what it has missed."""
        subscriber = self.subscribers.get(message.subscriber)
        if subscriber is not None and subscriber.catching_up is not None and message.added:
            subscriber.catching_up.promise()

    def has_waited(self, message: Subscriptions) -> None:
        """A report of a change could not go out at once."""
        if message.subscriber in self.subscribers:
            self.subscribers[message.subscriber].missing.hold(message.sequence)

    def note_held(self, process: Process) -> None:
        """After a turn: of which of its subscribers the changes hold."""
        for number in process.not_held():
            if number in self.subscribers:
                self.subscribers[number].missing.release(self.publisher.head)

    def heard(self, message: Message) -> None:
        """The coordinator reads this."""
        if isinstance(message, Connected) and message.subscriber in self.subscribers:
            self.subscribers[message.subscriber].is_welcome = True
        elif isinstance(message, Resumed):
            self.resumed += message.ok
        elif isinstance(message, Released):
            self.moved += message.ok

    def closed(self, number: int, closed: Closed) -> None:
        """A connection has ended, and there must be a reason."""
        subscriber = self.subscribers.pop(number)
        subscriber.take_the_rest()
        self.deliveries += subscriber.got
        require_final(subscriber, closed)
        if subscriber.is_leaving:
            return
        self.reasons[closed.reason] += 1
        self._require_counted(subscriber, closed)
        is_allowed = may_end(
            *(subscriber, closed),
            age=self.coordinator.clock - subscriber.came_at,
            is_unsure=number in self.unsure,
            is_untold=number in self.untold,
            refusals=self._refusals,
            own_ends=self._own_ends,
        )
        require(is_allowed, f"{number} is closed: {closed.reason}")

    def _require_counted(self, subscriber: Subscriber, closed: Closed) -> None:
        """All with whom nobody goes on are counted, when they are closed at the latest."""
        is_lost = Reason.of(closed.cause) is Reason.WORKER_LOST and subscriber.is_welcome
        self._not_resumed += is_lost
        counted = self.coordinator.state.ledger.not_resumed
        require(counted >= self._not_resumed, f"{counted} are counted of {self._not_resumed}")

    # The end.

    def _catch_up(self) -> None:
        """No chance any more: everybody must get everything that is left for him."""
        self.is_calm = True
        self._end_who_hangs()
        for one in self.subscribers.values():
            one.connection.send_buffer = one.connection.peer_buffer = EVERYTHING
        for process in self.coordinator.processes.values():
            process.fate.spare()
        self._settle(self._left)
        flag = Flag()
        self.coordinator.ask(flag)
        self._settle(lambda: "" if flag.times else "a question has no answer")
        self._require_accounts()
        self._require_interest()
        self._require_no_leaks()

    def _settle(self, left: Callable[[], str]) -> None:
        """Go on until nothing is left, by what that says."""
        for number in range(ROUNDS_MAX):
            self._calm_round(tick=number % 8 == 7)
            if number % 4 == 3 and not left():
                return
        raise Violated(f"it does not come to rest: {left()}")

    def _calm_round(self, *, tick: bool) -> None:
        self.now += 20 * MILLISECOND
        self.coordinator.turn()
        self.publisher.try_again()
        for subscriber in list(self.subscribers.values()):
            subscriber.send(EVERYTHING)
            while subscriber.connection.acknowledge() or subscriber.read(EVERYTHING):
                pass
        for process in list(self.coordinator.processes.values()):
            if tick:
                process.tick()
            process.turn()

    def _left(self) -> str:
        """What is left to be done, for people; empty = nothing."""
        if not self.coordinator.is_settled:
            return f"workers {self.coordinator.state.supervision.ready} serve"
        if self.publisher.waiting:
            return "there is no room in the log"
        head = self.publisher.head
        for number, one in self.subscribers.items():
            if one.is_leaving:
                return f"{number} has left"
            missing = one.lacks(head)
            if missing:
                return f"{number} has not got {missing}"
        busy = [one.index for one in self.coordinator.processes.values() if one.is_behind(head)]
        return f"workers {busy} are busy" if busy else ""

    def _require_accounts(self) -> None:
        """What was counted is what there was."""
        head = self.publisher.head
        for connection in self.coordinator.state.roster.connections.values():
            one = self.subscribers[connection.subscriber]
            self.deliveries += one.got
            one.end(head)
            slot = SubscriberSlot(self.segment, connection.slot)
            require(not slot.is_torn, f"{one.number}: its checkpoint is half-written for ever")
            last = slot.read(connection.subscriber)
            wanted = len(one.wanted_between(0, head)) + one.from_snapshot
            is_exact = one.chosen.is_exact and one.catching_up is None
            if one.missing.was_held and not is_exact:
                slack = one.missing.slack  # it may have had to jump over what it was promised
                near = abs(wanted - last.matched) <= slack
                require(near, f"{one.number}: {last.matched} matched, of {wanted}, {slack} unsure")
                wanted = last.matched
            got = last.matched, last.sent, last.dropped + last.conflated, last.stream_bytes
            want = wanted, one.got, wanted - one.got, one.read_bytes
            require(got == want, f"{one.number}: counted {got}, and it were {want}")
            require(not last.conflated or "conflate" in one.chosen.actions, "it is conflated")
            one.missing.require_accounts(last.dropped, last.conflated)
            self._require_choice(connection)

    def _require_choice(self, connection: Accepted) -> None:
        """It has the policy and the name that were chosen for it, whoever serves it."""
        number, state = connection.subscriber, self.coordinator.state
        chosen = self.subscribers[number].chosen
        want = policy_of(chosen.now, LOG_BYTES, self.entries)
        peer = self.coordinator.processes[connection.worker].worker.desk.peers[number]
        got = peer.member.policy
        same = _fields_of(got) == _fields_of(want)
        require(same, f"{number} is served by {_fields_of(got)}, not {_fields_of(want)}")
        known = state.choices.policy_of(number)
        require(known == chosen.now, f"{number} has {known}, not {chosen.now}")

    def _require_interest(self) -> None:
        """The publisher rings for those who have somebody that wants it."""
        state = self.coordinator.state
        for topic in TOPICS:
            served = {
                connection.worker
                for connection in state.roster.connections.values()
                if self.subscribers[connection.subscriber].wants_now(topic)
            }
            rung = set(state.interest.workers_for(topic))
            require(
                rung == served, f"{rung} are rung for {topic!r}, and {served} have who wants it"
            )

    def _require_no_leaks(self) -> None:
        live = len(self.subscribers)
        require(len(self.machine.open) == 2 * live, f"{len(self.machine.open)} are open of {live}")


def _fields_of(policy: Policy) -> tuple[Any, ...]:
    same = policy.limits, policy.soft, policy.patience, policy.max_rate
    return type(policy).__name__, *same, policy.conflates, policy.min_interval_ns


def _options(rng: Random, workers: int, policy: SlowPolicy) -> Options:
    return Options(
        workers=workers,
        log_bytes=LOG_BYTES,
        slow_policy=policy,
        send_timeout=1_000.0,
        stall_timeout=1_000.0,
        handshake_timeout=1_000.0,
        heartbeat_interval=rng.choice((0.0, 0.0, 2.0)),
        heartbeat_timeout=1_000.0,
        max_subscribers=SLOTS,
        allow_zmtp_1=True,
        self_service_max=rng.choice(("drop_oldest", "block", *BOUNDS)),
    )


def _tuning(rng: Random) -> Tuning:
    batch = rng.choice((2, 7, 100))
    return Tuning(
        span_bytes=rng.choice((100, 3_000, 30_000)),
        serve_steps=rng.choice((1, 4)),
        writable_per_turn=rng.choice((1, 16)),
        batch_bytes=rng.choice((100, 30_000)),
        batch_messages_min=batch,
        batch_messages_max=4 * batch,
        batch_send_bytes=rng.choice((100, 3_000)),
        batches_per_turn=rng.choice((1, 16)),
        topics_remembered=rng.choice((110, 10_000)),
        shared_from=rng.choice((0, 1)),
        chunk_messages=rng.choice((2, 100)),
        chunk_bytes=rng.choice((100, 30_000)),
        checkpoints_per_tick=rng.choice((1, 1_024)),
    )
