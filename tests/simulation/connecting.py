"""Subscribers of one seed: they come and go, and say what they want."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.terms.slow_policy import SlowPolicy
from tests.simulation.catching_up import Log
from tests.simulation.late import Late
from tests.simulation.model import SubscriberModel
from tests.simulation.peers import (
    LEGACY_HELLO,
    PREFIXES,
    SUBSCRIBER_HELLO,
    Kind,
    command,
    random_input,
    wanting,
)
from tests.simulation.policies import Rules, of_options
from tests.simulation.publishing import Publishing
from tests.simulation.saying import Reports, Said, Statement, random_wish
from tests.simulation.sockets import FakeSocket
from tests.simulation.violated import require

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fanout.control.messages import SetPolicy, Subscriptions
    from tests.simulation.peers import Item
    from tests.simulation.workers import SimulatedWorker


class Connecting(Publishing):
    """A publisher with subscribers, and the coordinator that knows of their policies."""

    def _socket(self) -> FakeSocket | None:
        return self.rng.choice(list(self.sockets.values())) if self.sockets else None

    def _listen(self) -> None:
        sock = self._socket()
        if sock is None or sock.ended:
            return
        model = self.models[sock.descriptor]
        if not model.legacy:
            items = random_input(self.rng, model.spoken, self._reserved)
            if model.late is not None:  # it subscribes once
                items = [one for one in items if one[1] or b"\x09SUBSCRIBE" not in one[0][:20]]
            self._say(model, items)

    def _say(self, model: SubscriberModel, items: Iterable[Item]) -> None:
        end = model.socket.said
        for said, statement in items:
            end += len(said)
            if statement is not None:
                model.reports.expect(end, statement)
        model.socket.say(b"".join(said for said, _statement in items))

    def _connect(self) -> None:
        if not self._free or len(self.sockets) >= self._most:
            return
        worker = self._worker()
        subscriber = self._next_id
        self._next_id += 1
        sock = FakeSocket(subscriber, self.rng, lambda: self.writer_step(worker))
        (kind,) = self.rng.choices(tuple(Kind), (16, 2, 1, 1))
        legacy = kind is Kind.LEGACY
        sock.say(LEGACY_HELLO if legacy else SUBSCRIBER_HELLO)
        late = self._random_late() if not legacy else None
        if late is None and self.rng.random() < 0.8 and not legacy:
            sock.say(command(b"\x09SUBSCRIBE" + self.rng.choice(PREFIXES)))
        self.sockets[subscriber] = sock
        self.models[subscriber] = self._model(subscriber, sock, kind, late)
        if not legacy and self.rng.random() < 2 * self._reserved:
            wish = random_wish(self.rng)
            self._say(self.models[subscriber], [(wanting(self.rng, *wish), wish)])
        if late is not None:
            since = Statement(wanted=True, text=late.past.since.text)
            self._say(self.models[subscriber], [(wanting(self.rng, *since), since)])
            sock.say(command(b"\x09SUBSCRIBE" + late.past.prefix))
        slot = self._slot_of[subscriber] = self._free.pop()
        self.coordinator.admit(subscriber, slot, worker.index)
        worker.adopt(subscriber, slot, kind.value)
        if self._chosen and self.rng.random() < 0.7 and subscriber in worker.peers:
            self._call(subscriber, self.rng.choice(self._chosen))

    def _random_late(self) -> Late | None:
        """Somebody has missed something, perhaps."""
        rng, layout = self._past, self.segment.layout
        if rng.random() >= self._late:
            return None
        log = Log(layout.data_bytes, layout.entries, self.options.replay_limit)
        prefix, own = rng.choice((b"", *PREFIXES)), self._rules(of_options(self.options))
        return Late.by_chance(rng, self._kept, log, self._epoch, prefix, own)

    @property
    def _epoch(self) -> int:
        return self.workers[0].around.header.epoch

    def reported(self, message: Subscriptions) -> None:
        """A worker says what a subscriber wants from now on."""
        model = self.models.get(message.subscriber)
        if model is not None and model.late is not None and message.added:
            model.late.report(message.sequence)

    def _model(
        self, subscriber: int, sock: FakeSocket, kind: Kind, late: Late | None
    ) -> SubscriberModel:
        options = self.options
        may_block = options.self_service_bound.action == "block"
        said = Said(may_choose=options.self_service, may_block=may_block)
        rules = self._rules(of_options(options))
        return SubscriberModel(
            *(subscriber, sock, self.history, rules, kind, Reports(said), self._epoch, late)
        )

    def _rules(self, policy: SlowPolicy) -> Rules:
        return Rules(policy, self.segment.layout.data_bytes, self._entries)

    def _call(self, subscriber: int, policy: SlowPolicy | None) -> None:
        self.order(self.coordinator.call(subscriber, policy))

    def order(self, orders: Iterable[SetPolicy]) -> None:
        """The workers of these subscribers will find this in their channels."""
        for order in orders:
            for worker in self.workers:
                if order.subscriber in worker.peers:
                    fields: dict[str, Any] = dict(order.policy)
                    self.models[order.subscriber].coming.append(SlowPolicy(**fields))
                    worker.channel.inbound.append((order, []))

    def heard(self, subscriber: int) -> int:
        """Bytes of what a subscriber says that were acted upon."""
        for worker in self.workers:
            if subscriber in worker.peers:
                return self.sockets[subscriber].read + worker.peers[subscriber].inbox.looked
        return self.sockets[subscriber].read

    def model_obeys(self, subscriber: int, *, is_over: bool) -> None:
        """Its next policy is in force, if it is not to be closed by what it had."""
        model = self.models[subscriber]
        require(bool(model.coming), "a policy that the coordinator did not order")
        policy = model.coming.popleft()
        if not is_over:
            model.obey(self._rules(policy), self.now)

    def _choose(self) -> None:
        """Somebody gets another policy, or the one it has."""
        worker = self._worker()
        if worker.peers:
            subscriber = self.rng.choice(list(worker.peers))
            self._call(subscriber, self.rng.choice([*self._chosen, None]))

    def forget(self, worker: SimulatedWorker, subscriber: int, model: SubscriberModel) -> None:
        """The worker has closed a connection."""
        del worker, model
        del self.sockets[subscriber]
        self.coordinator.forget(subscriber)
        self.checker.reported_slow.discard(subscriber)
        self.checker.reported_stalled.discard(subscriber)
        self._free.append(self._slot_of.pop(subscriber))
