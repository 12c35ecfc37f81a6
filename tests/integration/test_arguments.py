"""Wrong arguments: what is wrong is named, and nothing was started, sent or changed."""

from __future__ import annotations

import asyncio
import pickle
from typing import TYPE_CHECKING, Any

import pytest

import fanout.asyncio
from fanout import ConfigError, FanoutError, MessageTooLarge, Publisher
from tests.helpers.programs import holdings
from tests.helpers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.helpers.stock import Stock

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
        ({"sndhwm": 1}, TypeError, "'sndhwm': a subscriber's limit is slow_limit_bytes"),
        ({"LINGER": 0}, TypeError, "'LINGER': say how long delivery may take by close"),
        ({"io_threads": 1}, TypeError, "'io_threads': it is workers=..., which are processes"),
        ({"context": None}, TypeError, "'context': there is none"),
        ({"bind": "tcp://*:1"}, TypeError, "'bind': what to listen on is the first argument"),
        ({"on_event": lambda: 1}, TypeError, r"one argument, the event; \(\) does not"),
        ({"endpoint": {"a": 1}}, TypeError, "endpoint must be a str, .* not dict"),
        ({"on_event": 3}, TypeError, "on_event must be callable, not int"),
        ({"endpoint": 5}, TypeError, "endpoint must be a str, .* not int"),
        ({"endpoint": b"tcp://*:0"}, TypeError, "endpoint must be a str, .* not bytes"),
        ({"allow_zmtp_1": "yes"}, ConfigError, "allow_zmtp_1 must be True or False"),
        ({"workers": True}, ConfigError, "workers must be a whole number"),
        ({"workers": 257}, ConfigError, "workers=257 is out of range 0 to 256"),
        ({"send_timeout": float("nan")}, ConfigError, "send_timeout=nan is out of range"),
        (
            {"slow_policy": "drop"},
            ConfigError,
            "slow_policy must be 'drop_oldest', 'drop_newest', ",
        ),
        ({"slow_limit_bytes": 1 << 30}, ConfigError, "more than half of log_bytes"),
        ({"max_subscriptions_bytes": 0}, ConfigError, "out of range 1 to"),
    ],
)
def test_a_publisher_that_cannot_be(
    keywords: dict[str, Any], error: type[Exception], text: str
) -> None:
    _, children, threads = holdings()
    with pytest.raises(error, match=text):
        Publisher(**keywords)
    with pytest.raises(error, match=text):
        asyncio.run(fanout.asyncio.Publisher.start(**keywords))
    assert holdings()[1] <= children
    wait_until(lambda: holdings()[2] <= threads, "the end of all threads but those of before")


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
        (lambda p: p.set_slow_policy("1", None), TypeError, "the id that .* an int, not str"),
        (lambda p: p.set_slow_policy(True, None), TypeError, "the id that .* an int, not bool"),
        (lambda p: p.set_slow_policy([1], None), TypeError, "the id that .* an int, not list"),
        (lambda p: p.move("1", 0), TypeError, "the id that .* an int, not str"),
        (lambda p: p.move(1, "0"), TypeError, "worker must be an int, not str"),
        (lambda p: p.disconnect("1"), TypeError, "the id that .* an int, not str"),
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


# Every call that takes a timeout; close is the last.
TIMED: dict[str, Any] = {
    "publish": lambda p, t: p.publish(b"t", b"x", timeout=t),
    "publish str": lambda p, t: p.publish("t", b"x", timeout=t),
    "publish large": lambda p, t: p.publish(b"t", bytes(10_000), timeout=t),
    "send": lambda p, t: p.send(b"x", timeout=t),
    "send_multipart": lambda p, t: p.send_multipart([b"t", b"x"], timeout=t),
    "send_multipart of three": lambda p, t: p.send_multipart([b"t", b"x", b"y"], timeout=t),
    "send_string": lambda p, t: p.send_string("x", timeout=t),
    "send_json": lambda p, t: p.send_json(1, timeout=t),
    "send_json topic": lambda p, t: p.send_json(1, topic=b"t", timeout=t),
    "send_msgpack": lambda p, t: p.send_msgpack(1, timeout=t),
    "send_msgpack topic": lambda p, t: p.send_msgpack(1, topic=b"t", timeout=t),
    "batch": lambda p, t: p.batch(timeout=t),
    "wait_for_subscribers": lambda p, t: p.wait_for_subscribers(0, timeout=t),
    "drain": lambda p, t: p.drain(t),
    "close": lambda p, t: p.close(t),
}
NO_TIMES = [
    ([1], TypeError, "timeout must be a number of seconds or None, not list"),
    ("1", TypeError, "timeout must be a number of seconds or None, not str"),
    (True, TypeError, "timeout must be a number of seconds or None, not bool"),
    (float("nan"), ValueError, "timeout must be .* not NaN"),
    (-1, ValueError, "timeout must be 0 or more, or None for .*; a negative one, which .* pyzmq"),
    (-0.001, ValueError, "timeout must be 0 or more"),
    (float("-inf"), ValueError, "timeout must be 0 or more"),
    (-(10**400), ValueError, "timeout must be 0 or more"),
]
LONG_TIMES = [float("inf"), 1e10, 1e308, 2**70, 10**400]


def test_a_time_that_nobody_can_wait_for() -> None:
    with Publisher(**SMALL) as made:
        assert made.publish(b"t", b"makes it known: the short way") == 0
        for call in TIMED.values():
            for value, error, text in NO_TIMES:
                with pytest.raises(error, match=text):
                    call(made, value)
        assert made.publish(b"t", b"") == 1


def test_a_time_that_nobody_can_wait_for_with_asyncio() -> None:
    async def main() -> None:
        async with fanout.asyncio.Publisher(**SMALL) as made:
            for call in TIMED.values():
                for value, error, text in NO_TIMES:
                    with pytest.raises(error, match=text):
                        await call(made, value)
            assert await made.publish(b"t", b"") == 0

    asyncio.run(main())


@pytest.mark.parametrize("long", LONG_TIMES, ids=["inf", "1e10", "1e308", "2**70", "10**400"])
def test_a_very_long_time_is_a_time(long: float, stock: Stock) -> None:
    with Publisher("tcp://127.0.0.1:*", **SMALL) as made:
        subscriber = stock.connect(made.endpoints[0], b"")
        made.wait_for_subscribers(1, timeout=long)
        for name, call in TIMED.items():
            if name != "close":
                call(made, long)
        sent = made.publish(b"t", b"last", timeout=long)
        assert made.close(long) == ()
    messages = [subscriber.recv_multipart() for _ in range(sent + 1)]
    assert messages[-1] == [b"t", b"last"]


@pytest.mark.parametrize("long", LONG_TIMES, ids=["inf", "1e10", "1e308", "2**70", "10**400"])
def test_a_very_long_time_is_a_time_with_asyncio(long: float) -> None:
    async def main() -> None:
        async with fanout.asyncio.Publisher(**SMALL) as made:
            for name, call in TIMED.items():
                if name == "batch":
                    call(made, long)
                else:
                    await call(made, long)
            assert made.closed

    asyncio.run(main())


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
