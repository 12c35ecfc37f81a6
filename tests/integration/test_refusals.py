"""What users of pyzmq, asyncio and pickle try: refused with what to do, or it works."""

from __future__ import annotations

import array
import asyncio
import contextlib
import copy
import ctypes
import functools
import logging
import pickle
import socket
from typing import TYPE_CHECKING, Any

import pytest
import zmq

import fanout.asyncio
from fanout import Event, EventKind, Publisher, Reason
from fanout.terms.refusals import PYZMQ_ATTRIBUTES
from fanout.zmtp.greeting import SIGNATURE
from tests.helpers.happenings import Happenings
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.helpers.stock import Stock

SMALL: dict[str, Any] = {"workers": 1, "log_bytes": 1 << 20}


@pytest.fixture(scope="module")
def publisher() -> Iterator[Any]:
    """A publisher that refuses everything; of no type, as type checkers refuse it all."""
    with Publisher(**SMALL) as made:
        yield made


CALLS: dict[str, Callable[..., Any]] = {
    "publish": lambda p, *more, **keywords: p.publish(b"t", b"x", *more, **keywords),
    "send": lambda p, *more, **keywords: p.send(b"x", *more, **keywords),
    "send_multipart": lambda p, *more, **keywords: p.send_multipart([b"x"], *more, **keywords),
    "send_string": lambda p, *more, **keywords: p.send_string("x", *more, **keywords),
    "send_json": lambda p, *more, **keywords: p.send_json(1, *more, **keywords),
    "send_msgpack": lambda p, *more, **keywords: p.send_msgpack(1, *more, **keywords),
}


def refuses_arguments_of_pyzmq(sender: Any, calls: list[str]) -> None:
    for name in calls:
        call = CALLS[name]
        with pytest.raises(
            TypeError, match=rf"{name}\(\) has no flags: .*_multipart\(\) takes all"
        ):
            call(sender, zmq.SNDMORE)
        other = r"third .* timeout=" if name == "publish" else r"second .* publish\(topic, payl"
        with pytest.raises(TypeError, match=rf"{name}\(\) takes no {other}"):
            call(sender, {"price": 1})
        with pytest.raises(TypeError, match=rf"{name}\(\) has no flags"):
            call(sender, 0, False, True)
        with pytest.raises(TypeError, match=rf"{name}\(\) has no flags: NOBLOCK is timeout=0"):
            call(sender, flags=zmq.NOBLOCK)
        with pytest.raises(TypeError, match=rf"{name}\(\) has no copy: what you pass is always"):
            call(sender, copy=False)
        with pytest.raises(TypeError, match=rf"{name}\(\) has no track: "):
            call(sender, track=True)
        with pytest.raises(TypeError, match=rf"{name}\(\) got an unexpected .* 'xyzzy'"):
            call(sender, xyzzy=1)


def test_arguments_of_pyzmq(publisher: Any) -> None:
    before = publisher.statistics().published
    refuses_arguments_of_pyzmq(publisher, list(CALLS))
    with publisher.batch() as batch:
        refuses_arguments_of_pyzmq(batch, ["publish", "send", "send_multipart"])
        assert len(batch) == 0
    assert publisher.statistics().published == before
    with fanout.Producer("tcp://127.0.0.1:1") as producer:
        refuses_arguments_of_pyzmq(producer, ["publish", "send", "send_multipart"])


def test_arguments_of_pyzmq_in_asyncio() -> None:
    async def main() -> None:
        async with (
            fanout.asyncio.Publisher(**SMALL) as made,
            fanout.asyncio.Producer("tcp://127.0.0.1:1") as producer,
            made.batch() as batch,
        ):
            refuses_arguments_of_pyzmq(Awaited(made), list(CALLS))
            refuses_arguments_of_pyzmq(Awaited(producer), ["publish", "send", "send_multipart"])
            refuses_arguments_of_pyzmq(batch, ["publish", "send", "send_multipart"])
            assert len(batch) == 0
            assert (await made.statistics()).published == 0

    asyncio.run(main())


class Awaited:
    """Calls that of which nothing has to be waited for end at once, as those that block."""

    def __init__(self, sender: Any) -> None:
        self._sender = sender

    def __getattr__(self, name: str) -> Callable[..., None]:
        verb = getattr(self._sender, name)

        def call(*arguments: object, **keywords: object) -> None:
            made = verb(*arguments, **keywords)
            with contextlib.closing(made), contextlib.suppress(StopIteration):
                made.send(None)

        return call


@pytest.mark.parametrize("name", PYZMQ_ATTRIBUTES)
def test_attributes_of_pyzmq_can_be_neither_read_nor_set(publisher: Any, name: str) -> None:
    for spelling in (name, name.upper()):
        for owner in (publisher, fanout.asyncio.Publisher()):
            with pytest.raises(
                AttributeError, match=f"fanout has no '{spelling}', which is of pyzmq"
            ):
                setattr(owner, spelling, 0)
            with pytest.raises(
                AttributeError, match=f"fanout has no '{spelling}', which is of pyzmq"
            ):
                getattr(owner, spelling)


RARE = {"join", "leave", "shadow", "underlying"}  # of RADIO and DISH, and of pyzmq's own making


def test_all_that_a_socket_of_pyzmq_has_is_there_or_refused() -> None:
    has = {name for name in dir(zmq.Socket) if not name.startswith("_") and name.islower()}
    assert has - set(PYZMQ_ATTRIBUTES) - set(dir(Publisher)) == RARE


def test_nobody_is_shown_what_is_refused(publisher: Any) -> None:
    shown = {name.lower() for name in dir(publisher)}
    assert "publish" in shown
    assert shown.isdisjoint(PYZMQ_ATTRIBUTES)


@pytest.mark.parametrize("name", ["send_timeout", "foobar", "options", "closed", "publish"])
def test_nothing_is_changed_by_an_attribute(publisher: Any, name: str) -> None:
    before = publisher.options
    for owner in (publisher, fanout.asyncio.Publisher()):
        with pytest.raises(AttributeError, match=f"'{name}' .*cannot be changed afterwards"):
            setattr(owner, name, 0)
    assert publisher.options is before
    asynchronous: Any = fanout.asyncio.Batch
    for batch in (publisher.batch(), asynchronous(None, None)):
        with pytest.raises(AttributeError):
            setattr(batch, name, 0)


def test_a_class_of_ones_own_has_attributes_but_those_named_as_options() -> None:
    class Mine(Publisher):
        pass

    with Mine(**SMALL) as mine:
        mine.label = "prices"  # type: ignore[attr-defined]
        assert mine.label == "prices"  # type: ignore[attr-defined]
        with pytest.raises(AttributeError, match="'send_timeout' cannot be changed"):
            mine.send_timeout = 2  # type: ignore[attr-defined]


def test_other_arguments_that_are_tried(publisher: Any) -> None:
    before = publisher.statistics().published
    for call in (publisher.send_json, publisher.send_msgpack):
        for name in ("default", "sort_keys"):
            with pytest.raises(TypeError, match=f"^send_.*'{name}'; .*encode the value yourself"):
                call(1, **{name: None})
    with pytest.raises(TypeError, match=r"^Publisher\.send_string\(\) got an unexpected"):
        publisher.send_string("x", xyzzy=1)
    with pytest.raises(TypeError, match=r"no linger, .*: it is close\(timeout\), in seconds"):
        publisher.close(linger=0)
    assert not publisher.closed
    with publisher.batch() as batch:
        for call in (
            lambda: batch.publish(b"t", b"x", timeout=1),
            lambda: batch.send(b"x", timeout=1),
            lambda: batch.send_multipart([b"x"], timeout=1),
        ):
            with pytest.raises(TypeError, match=r"it is one of batch\(timeout=\.\.\.\)"):
                call()
        with pytest.raises(TypeError, match=r"^Batch\.send\(\) got an unexpected"):
            batch.send(b"x", xyzzy=1)
        for name in ("send_json", "send_string", "send_msgpack"):
            with pytest.raises(AttributeError, match=f"a batch has no '{name}': use "):
                getattr(batch, name)
        assert len(batch) == 0
    assert publisher.statistics().published == before


def test_neither_pickled_nor_copied(publisher: Any) -> None:
    for one in (publisher, publisher.batch(), fanout.asyncio.Publisher()):
        for copying in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="cannot be pickled or copied: it has workers"):
                copying(one)


def test_async_with_where_nothing_is_awaited(publisher: Any) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match=r"this publisher blocks.* fanout\.asyncio"):
            async with publisher:
                pass
        with pytest.raises(TypeError, match="this batch blocks: use `with`"):
            async with publisher.batch():
                pass

    asyncio.run(main())


def test_with_where_something_is_awaited() -> None:
    async def main() -> None:
        made: Any = fanout.asyncio.Publisher(**SMALL)
        with pytest.raises(TypeError, match="for asyncio: use it in `async with`"), made:
            pass
        async with made:
            with pytest.raises(TypeError, match="for asyncio: use `async with`"), made.batch():
                pass

    asyncio.run(main())


class Listener:
    """Takes events, but asynchronously."""

    async def __call__(self, event: Event) -> None: ...


async def listen(_more: object, _event: Event) -> None: ...


@pytest.mark.parametrize(
    "on_event", [listen, Listener(), Listener().__call__, functools.partial(listen, 1)]
)
def test_an_async_callback(on_event: Any) -> None:
    with pytest.raises(TypeError, match="on_event must be a plain function: nobody would await"):
        Publisher(on_event=on_event, **SMALL)
    with pytest.raises(TypeError, match="on_event must be a plain function: nobody would await"):
        asyncio.run(fanout.asyncio.Publisher.start(on_event=on_event, **SMALL))


BUFFERS: list[Any] = [
    array.array("B", b"abcd"),
    array.array("i", [1684234849]),
    zmq.Frame(b"abcd"),
    (ctypes.c_uint8 * 4)(*b"abcd"),
    memoryview(b"abcd").cast("B", (2, 2)),
    memoryview(b"a-b-c-d-")[::2],
]


def test_any_buffer_is_a_frame_and_a_topic(stock: Stock) -> None:
    with Publisher("tcp://127.0.0.1:*", **SMALL) as made:
        subscriber = stock.connect(made.endpoints[0], b"")
        made.wait_for_subscribers(1, timeout=DEADLINE_S)
        for buffer in BUFFERS:
            made.publish(buffer, buffer)
            made.send(buffer)
            made.send_multipart([buffer, b"", buffer])
            with made.batch() as batch:
                batch.publish(buffer, buffer)
                batch.send(buffer)
            for frames in (2, 1, 3, 2, 1):
                received = subscriber.recv_multipart()
                assert received == [b"abcd", b"abcd", b"abcd"][:frames] or received[1] == b""
            with pytest.raises(TypeError, match="not one frame: use send"):
                made.send_multipart(buffer)


def test_a_buffer_that_is_not_in_one_piece(publisher: Any) -> None:
    """As every other element of an array of numpy: no memoryview, which would be copied."""
    every_other = pickle.PickleBuffer(memoryview(b"a-b-c-d-")[::2])
    with pytest.raises(TypeError, match="payload must be a buffer in one piece: make a contiguous"):
        publisher.publish(b"t", every_other)
    with pytest.raises(TypeError, match="topic must be a buffer in one piece: make a contiguous"):
        publisher.publish(every_other, b"")
    assert publisher.publish(b"t", b"") == 0


@pytest.mark.parametrize(
    ("mechanism", "name"),
    [(b"CURVE", "CURVE"), (b"PLAIN", "PLAIN"), (b"NULL\x1b[m", "another mechanism")],
)
def test_a_subscriber_that_wants_another_mechanism_is_named(mechanism: bytes, name: str) -> None:
    happenings = Happenings()
    with Publisher("tcp://127.0.0.1:*", on_event=happenings, **SMALL) as made:
        address = "127.0.0.1", int(made.endpoints[0].rpartition(":")[2])
        with socket.create_connection(address) as peer:
            peer.sendall(SIGNATURE + b"\x03\x01" + mechanism.ljust(20, b"\0") + bytes(32))
            [event] = happenings.wait_for(EventKind.HANDSHAKE_FAILED)
    assert f"the peer wants {name}; this endpoint serves NULL" in str(event)


@pytest.mark.parametrize("mechanism", ["CURVE", "PLAIN"])
def test_a_stock_subscriber_that_wants_another_mechanism_is_warned_of(
    mechanism: str, stock: Stock, caplog: pytest.LogCaptureFixture
) -> None:
    """It hangs up as soon as it knows ours, and mostly before it has named its own."""
    happenings = Happenings()
    with Publisher("tcp://127.0.0.1:*", on_event=happenings, **SMALL) as made:
        subscriber = stock.context.socket(zmq.SUB)
        if mechanism == "CURVE":
            public, secret = zmq.curve_keypair()
            subscriber.curve_publickey, subscriber.curve_secretkey = public, secret
            subscriber.curve_serverkey = public
        else:
            subscriber.plain_username, subscriber.plain_password = b"name", b"word"
        subscriber.connect(made.endpoints[0])
        event = happenings.wait_for(EventKind.HANDSHAKE_FAILED)[0]
        subscriber.close(linger=0)
    assert event.cause is Reason.MECHANISM
    assert "this endpoint serves NULL" in event.reason
    assert mechanism in event.reason
    assert any(
        record.levelname == "WARNING" and mechanism in record.getMessage()
        for record in caplog.records
    )


def test_who_leaves_before_it_has_said_anything_is_not_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A look at whether the port is open: it is in the log for who looks for it."""
    caplog.set_level(logging.DEBUG, "fanout")
    happenings = Happenings()
    with Publisher("tcp://127.0.0.1:*", on_event=happenings, **SMALL) as made:
        address = "127.0.0.1", int(made.endpoints[0].rpartition(":")[2])
        with socket.create_connection(address) as peer:
            peer.sendall(SIGNATURE)
        [event] = happenings.wait_for(EventKind.HANDSHAKE_FAILED)
    assert event.cause in (Reason.LEFT, Reason.BROKEN)
    failed = str(EventKind.HANDSHAKE_FAILED)
    told = [record for record in caplog.records if failed in record.getMessage()]
    assert [record.levelname for record in told] == ["DEBUG"]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
