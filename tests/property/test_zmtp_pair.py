"""Two sessions with a wire between them agree with a naive model, whatever is done to them."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fanout.zmtp import (
    MessageReceived,
    Session,
    SessionState,
    SubscriberSession,
    Violation,
    encode_message,
)
from tests.helpers.limits import LIMITS
from tests.property.test_zmtp_frames import bodies

prefixes = st.one_of(st.sampled_from([b"", b"A", b"AB", b"B"]), bodies)


class Pair(RuleBasedStateMachine):
    """A publisher that sends what its peer subscribed to, as a worker does."""

    def __init__(self) -> None:
        super().__init__()
        self.publisher = Session(LIMITS)
        self.wanted = {b"A"}  # the model: what the application asked for
        self.expected: list[MessageReceived] = []  # the model: what it must see
        self.received: list[Any] = []
        self.to_publisher = b""  # bytes on the wire
        self.to_subscriber = b""

        self.subscriber = SubscriberSession([b"A"])

    @rule(prefix=prefixes)
    def subscribe(self, prefix: bytes) -> None:
        self.subscriber.subscribe(prefix)
        if not prefix.startswith(LIMITS.reserved):  # those stand for no topic
            self.wanted.add(prefix)

    @rule(prefix=prefixes)
    def cancel(self, prefix: bytes) -> None:
        self.subscriber.cancel(prefix)
        self.wanted.discard(prefix)

    @rule(count=st.integers(1, 100))
    def carry_to_publisher(self, count: int) -> None:
        self.to_publisher += self.subscriber.data_to_send()
        self.check(self.publisher.receive_data(self.to_publisher[:count]))
        self.to_publisher = self.to_publisher[count:]

    @rule(count=st.integers(1, 100))
    def carry_to_subscriber(self, count: int) -> None:
        self.to_subscriber += self.publisher.data_to_send()
        self.check(self.subscriber.receive_data(self.to_subscriber[:count]))
        self.to_subscriber = self.to_subscriber[count:]

    @rule(context=st.binary(max_size=16))
    def ping(self, context: bytes) -> None:
        if self.publisher.state is SessionState.TRAFFIC:
            self.publisher.ping(context)

    @rule(message=st.lists(prefixes, min_size=1, max_size=3))
    def publish(self, message: list[bytes]) -> None:
        """Settled before and after, so that model and wire see it with the same subscriptions."""
        self.settle()
        topic = message[0]
        if any(topic.startswith(prefix) for prefix in self.publisher.subscriptions):
            self.to_subscriber += encode_message(message)
        self.settle()
        if any(topic.startswith(prefix) for prefix in self.wanted):
            self.expected.append(MessageReceived(tuple(message)))

    def settle(self) -> None:
        while True:
            self.to_publisher += self.subscriber.data_to_send()
            self.to_subscriber += self.publisher.data_to_send()
            if not self.to_publisher and not self.to_subscriber:
                return
            to_publisher, self.to_publisher = self.to_publisher, b""
            to_subscriber, self.to_subscriber = self.to_subscriber, b""
            self.check(self.publisher.receive_data(to_publisher))
            self.check(self.subscriber.receive_data(to_subscriber))

    def check(self, events: list[Any]) -> None:
        assert not any(isinstance(event, Violation) for event in events)
        self.received += [event for event in events if isinstance(event, MessageReceived)]

    @invariant()
    def everything_wanted_and_nothing_else_was_received(self) -> None:
        assert self.received == self.expected

    def teardown(self) -> None:
        self.settle()
        assert self.publisher.subscriptions == self.wanted


TestPair = Pair.TestCase
TestPair.settings = settings(max_examples=50, stateful_step_count=30)
