"""Wrong arguments: what is wrong is named, and nothing was started, sent or changed."""

from __future__ import annotations

import asyncio
import pickle
from typing import TYPE_CHECKING, Any

import pytest

import fanout.asyncio
from fanout import ConfigError, FanoutError, MessageTooLarge, Publisher
from tests.helpers.programs import holdings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SMALL: dict[str, Any] = {"workers": 1, "log_bytes": 1 << 20}


@pytest.fixture(scope="module")
def publisher() -> Iterator[Publisher]:
    """A publisher that refuses everything in this file."""
    with Publisher(**SMALL) as made:
        yield made
        assert made.publish(b"t", b"the first that was sent") == 0


@pytest.mark.parametrize(
    ("keywords", "error", "text"),
    [
        ({"log_byte": 1}, TypeError, "'log_byte'; did you mean 'log_bytes'"),
        ({"xyzzy": 1}, TypeError, r"no option 'xyzzy' \(see"),
        ({"on_event": 3}, TypeError, "on_event must be callable, not int"),
        ({"endpoint": 5}, TypeError, "endpoint must be a str, .* not int"),
        ({"endpoint": b"tcp://*:0"}, TypeError, "endpoint must be a str, .* not bytes"),
        ({"allow_zmtp_1": "yes"}, ConfigError, "allow_zmtp_1 must be True or False"),
        ({"workers": True}, ConfigError, "workers must be a whole number"),
        ({"workers": 257}, ConfigError, "workers=257 is out of range 0 to 256"),
        ({"send_timeout": float("nan")}, ConfigError, "send_timeout=nan is out of range"),
        ({"slow_policy": "drop"}, ConfigError, "slow_policy must be 'drop_oldest' or 'block'"),
        ({"slow_limit_bytes": 1 << 30}, ConfigError, "more than half of log_bytes"),
        ({"max_subscriptions_bytes": 0}, ConfigError, "out of range 1 to"),
    ],
)
def test_a_publisher_that_cannot_be(
    keywords: dict[str, Any], error: type[Exception], text: str
) -> None:
    before = holdings()
    with pytest.raises(error, match=text):
        Publisher(**keywords)
    with pytest.raises(error, match=text):
        asyncio.run(fanout.asyncio.Publisher.start(**keywords))
    assert holdings()[1:] == before[1:]


def batch_of(messages: int, payload: bytes) -> Callable[[Publisher], object]:
    """Publishes a batch of so many messages."""

    def call(publisher: Publisher) -> None:
        with publisher.batch() as batch:
            for _ in range(messages):
                batch.publish(b"t", payload)

    return call


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda p: p.publish(1, b""), TypeError, "topic must be str, bytes.* not int"),
        (lambda p: p.publish("t", "x"), TypeError, "payload must be .* not str: encode it"),
        (lambda p: p.publish("t", [1]), TypeError, "payload must be .* not list"),
        (lambda p: p.send(None), TypeError, "frame must be .* not NoneType"),
        (lambda p: p.send_multipart(None), TypeError, "frames must be .* not NoneType"),
        (lambda p: p.send_multipart(b"x"), TypeError, "not one frame: use send"),
        (lambda p: p.send_multipart([b"a", "b"]), TypeError, r"frames\[1\] must be"),
        (lambda p: p.send_multipart([]), ValueError, "frames must not be empty"),
        (lambda p: p.send_string(b"x"), TypeError, "text must be str, not bytes"),
        (lambda p: p.publish("t", b"x", timeout="1"), TypeError, "timeout must be a number"),
        (lambda p: p.send(b"x", timeout=float("nan")), ValueError, "timeout must be .* NaN"),
        (lambda p: p.wait_for_subscribers("1"), TypeError, "count must be .* not str"),
        (lambda p: p.wait_for_subscribers(-1), ValueError, "count must be 0 or more"),
        (lambda p: p.wait_for_subscribers(1, timeout="1"), TypeError, "timeout must be"),
        (lambda p: p.wait_for_subscribers(1, topic=1), TypeError, "topic must be"),
        (lambda p: p.has_subscribers(1), TypeError, "topic must be"),
        (lambda p: p.drain("1"), TypeError, "timeout must be"),
        (lambda p: p.close("1"), TypeError, "timeout must be"),
        (lambda p: p.bind(5), TypeError, "endpoint must be a str"),
        (lambda p: p.unbind("tcp://127.0.0.1:1"), ConfigError, "is not bound; bound are: none"),
        (
            lambda p: p.publish("t", bytes(1 << 18)),
            MessageTooLarge,
            r"takes 262,156 bytes, the limit is 262,144 \(a quarter of the log",
        ),
        (batch_of(4, bytes(1 << 16)), MessageTooLarge, "batch takes 262,.* bytes, the limit is"),
        (batch_of(4097, b""), MessageTooLarge, "the batch has 4,097 messages, the limit is 4,096"),
    ],
)
def test_a_call_that_cannot_be(
    publisher: Publisher,
    call: Callable[[Publisher], object],
    error: type[Exception],
    text: str,
) -> None:
    with pytest.raises(error, match=text):
        call(publisher)
    assert not publisher.closed


@pytest.mark.parametrize(
    "error",
    [
        MessageTooLarge(5, 4),
        MessageTooLarge(5, 4, "messages"),
        fanout.BindError("tcp://*:1", "in use", 98),
        fanout.StartupError("no", 3),
        fanout.Again("no room"),
    ],
)
def test_errors_survive_pickling(error: FanoutError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
