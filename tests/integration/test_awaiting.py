"""`await` on a call that blocks: refused before anything is done, or by Python; and nobody else."""

from __future__ import annotations

import asyncio
import inspect
import types
from typing import TYPE_CHECKING, Any

import pytest

import fanout.asyncio
from fanout import Publisher
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL: dict[str, Any] = {"workers": 1, "log_bytes": 1 << 20}

# As users write each of what `fanout.asyncio.Publisher` has awaited, for a publisher `p`.
SENDS = {
    "publish": "p.publish(b't', b'x')",
    "send": "p.send(b'x')",
    "send_multipart": "p.send_multipart([b't', b'x'])",
    "send_string": "p.send_string('x')",
    "send_json": "p.send_json(1, topic='t')",
    "send_msgpack": "p.send_msgpack(1)",
}
CONTROLS = {
    "answer": "p.answer('tcp://127.0.0.1:*')",
    "bind": "p.bind('tcp://127.0.0.1:*')",
    "close": "p.close()",
    "closed_subscribers": "p.closed_subscribers()",
    "disconnect": "p.disconnect(0)",
    "drain": "p.drain(1)",
    "forget": "p.forget('t')",
    "ingest": "p.ingest('tcp://127.0.0.1:*')",
    "last": "p.last('t')",
    "move": "p.move(0, 0)",
    "permit": "p.permit('somebody', None)",
    "recover": "p.recover()",
    "resize": "p.resize(2)",
    "restart_workers": "p.restart_workers()",
    "set_slow_policy": "p.set_slow_policy(0, None)",
    "statistics": "p.statistics()",
    "stop": "p.stop()",
    "stop_answer": "p.stop_answer('tcp://127.0.0.1:1')",
    "stop_ingest": "p.stop_ingest('tcp://127.0.0.1:1')",
    "subscribers": "p.subscribers()",
    "unbind": "p.unbind(p.endpoints[0])",
    "wait_for_subscribers": "p.wait_for_subscribers(0)",
    "wait_for_workers": "p.wait_for_workers(1)",
}


def awaiting(call: str) -> Callable[[Any], Any]:
    """A coroutine function that awaits this call."""
    made: dict[str, Any] = {"__name__": "of_a_user"}
    exec(f"async def call(p):\n    return await {call}\n", made)
    found: Callable[[Any], Any] = made["call"]
    return found


def test_await_on_a_call_that_blocks_is_refused_before_it_is_done() -> None:
    awaited = {name for name, one in vars_of(fanout.asyncio.Publisher).items() if is_awaited(one)}
    assert awaited - {"start"} == SENDS.keys() | CONTROLS.keys()
    with Publisher("tcp://127.0.0.1:*", **SMALL) as publisher:
        for _ in range(2):
            for name, call in (SENDS | CONTROLS).items():
                text = (
                    rf"^this publisher blocks, and {name}\(\) is not awaited: leave out `await`, or"
                )
                with pytest.raises(TypeError, match=text):
                    asyncio.run(awaiting(call)(publisher))
        assert not publisher.closed
        assert len(publisher.endpoints) == 1
        assert not publisher.ingest_endpoints + publisher.answer_endpoints
        assert publisher.publish(b"t", b"x") == 0


def vars_of(kind: type) -> dict[str, Any]:
    """What it and what it is made of have, by their public names."""
    return {
        name: getattr(one, "__wrapped__", one)
        for name in dir(kind)
        if not name.startswith("_") and (one := inspect.getattr_static(kind, name)) is not None
    }


def is_awaited(method: Any) -> bool:
    """Whether what it returns is to be awaited; those that hand on to others return it, too."""
    return inspect.iscoroutinefunction(getattr(method, "__func__", method)) or (
        isinstance(method, types.FunctionType) and method.__name__ in SENDS
    )


def test_after_the_first_message_await_is_refused_by_python_when_it_is_sent() -> None:
    """As is said in from-pyzmq.md: to look each time would cost each message."""
    with Publisher("tcp://127.0.0.1:*", **SMALL) as publisher:
        assert publisher.publish(b"t", b"x") == 0
        for number, call in enumerate(SENDS.values(), 1):
            with pytest.raises(TypeError, match=r"^object int can't be used in 'await' expression"):
                asyncio.run(awaiting(call)(publisher))
            assert publisher.statistics().published == number + 1


def test_who_is_right_is_let_be() -> None:
    """A callback that publishes, and is called by C, by a thread or by a function of the user's."""

    async def notify(call: Callable[..., int], *given: bytes) -> int:
        return await asyncio.to_thread(call, *given)

    async def main(publisher: Publisher) -> None:
        assert await notify(publisher.publish, b"t", b"x") == 0
        assert await asyncio.gather(*map(asyncio.to_thread, [publisher.drain])) == [()]
        asyncio.get_running_loop().call_soon(publisher.publish, b"t", b"x")
        await asyncio.sleep(0)
        assert await asyncio.wait_for(asyncio.to_thread(publisher.send, b"x"), DEADLINE_S) == 2

    with Publisher("tcp://127.0.0.1:*", **SMALL) as publisher:
        asyncio.run(main(publisher))


def test_await_on_what_a_producer_and_a_subscriber_do() -> None:
    with (
        Publisher("tcp://127.0.0.1:*", **SMALL) as publisher,
        fanout.Subscriber(publisher.endpoints[0]) as subscriber,
        fanout.Producer(publisher.ingest("tcp://127.0.0.1:*")) as producer,
    ):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        publisher.publish(b"t", b"x")
        assert subscriber.poll(DEADLINE_S)
        for _ in range(2):
            for call in ("recv()", "recv_many()", "poll()", "close()"):
                name = call.partition("(")[0]
                with pytest.raises(TypeError, match=rf"^this subscriber blocks, and {name}\(\) is"):
                    asyncio.run(awaiting(f"p.{call}")(subscriber))
            for name, call in SENDS.items():
                with pytest.raises(
                    TypeError, match=rf"^this producer blocks, and {name}\(\) is not"
                ):
                    asyncio.run(awaiting(call)(producer))
            for name in ("drain", "close", "stop"):
                with pytest.raises(
                    TypeError, match=rf"^this producer blocks, and {name}\(\) is not"
                ):
                    asyncio.run(awaiting(f"p.{name}()")(producer))
        assert subscriber.recv(DEADLINE_S).payload == b"x"
        producer.publish(b"t", b"y")
        assert subscriber.recv(DEADLINE_S).payload == b"y"


if TYPE_CHECKING:

    async def _await_is_refused(publisher: Publisher) -> None:
        """By type checkers: mypy would tell of each of these that had no error to be ignored."""
        await publisher.publish(b"t", b"x")  # type: ignore[misc]
        await publisher.send(b"t")  # type: ignore[misc]
        await publisher.drain()  # type: ignore[misc]
        await publisher.wait_for_subscribers(1)  # type: ignore[func-returns-value, misc]
