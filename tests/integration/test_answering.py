"""Stock REQ and DEALER sockets ask a publisher, and so do strangers, who do all that they can."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import threading
import time
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import zmq

import fanout.asyncio
from fanout import (
    AnswerStatistics,
    BindError,
    ClosedError,
    ConfigError,
    Event,
    EventKind,
    LastValues,
    Publisher,
    Reason,
)
from fanout.sockets import Req
from fanout.terms.question_terms import (
    ANSWER_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    QUESTION_BYTES_MAX,
    QUESTIONS_BURST,
    QUESTIONS_PER_S,
    READ_BYTES,
)
from fanout.zmtp import encode_message
from tests.helpers.forked import refused_in_child
from tests.helpers.raw import command, frame, greeting_3
from tests.helpers.raw_peer import RawPeer
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.helpers.stock import Socket, Stock

READY_REQ = command(b"READY", b"\x0bSocket-Type\x00\x00\x00\x03REQ")
NOW = b'{"ask":"now"}'


class Raw(RawPeer):
    """An asker of bytes."""

    def __init__(self, endpoint: str, minor: int = 1, receive_bytes: int = 0) -> None:
        host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(DEADLINE_S)
        try:
            self.socket.connect((host, int(port)))
            self.socket.sendall(greeting_3(minor) + READY_REQ)
        except BaseException:
            self.socket.close()
            raise


def figures(publisher: Publisher) -> AnswerStatistics:
    [one] = publisher.answer_statistics()
    return one


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher(
        "tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20, last_values=LastValues()
    ) as one:
        yield one


@pytest.fixture
def req(stock: Stock) -> Socket:
    one = stock.socket(zmq.REQ)
    one.set(zmq.RCVTIMEO, int(DEADLINE_S * 1000))
    return one


def asked(req: Socket, **question: Any) -> Any:
    """What a stock socket is told, in JSON; `from_` is the member `from`."""
    req.send_json({name.rstrip("_"): value for name, value in question.items()})
    return req.recv_json()


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "ipc://*"])
@pytest.mark.parametrize("numbered", [False, True])
def test_a_stock_req_asks_everything(req: Socket, endpoint: str, numbered: bool) -> None:
    with Publisher(
        workers=1, log_bytes=1 << 20, last_values=LastValues(), sequence_frame=numbered
    ) as publisher:
        for number in range(20):
            publisher.publish(b"price.%d" % (number % 4), b"%d" % number)
        publisher.send(b"one frame")
        publisher.send_multipart([b"\xff", b"\x00", b"3"])
        bound = publisher.answer(endpoint)
        assert publisher.answer_endpoints == (bound,)
        req.connect(bound)
        now = asked(req, ask="now", id=7)
        assert (now["version"], now["id"], now["sequence"]) == (1, 7, 22)
        values = asked(req, ask="last", topics=["price.1", "nothing"])["values"]
        assert values[0]["frames"] == ["price.1", "17"]
        assert values[1] is None
        assert len(asked(req, ask="last", prefix="price.")["values"]) == 4
        log = asked(req, ask="log", from_=19, epoch=now["epoch"])["messages"]
        assert [one["frames"] for one in log] == [
            ["price.3", "19"],
            ["one frame"],
            [{"base64": "/w=="}, "\x00", "3"],
        ]
        topics = asked(req, ask="topics", prefix="price.")["topics"]
        assert [one["topic"] for one in topics] == [f"price.{n}" for n in range(4)]
        req.send(msgpack.packb({"ask": "last", "topics": [b"\xff"]}))
        assert msgpack.unpackb(req.recv())["values"][0]["frames"] == [b"\xff", b"\x00", b"3"]
        assert asked(req, ask="nonsense")["error"]["code"] == "unknown"
        # They are counted once in a turn, which the answers come out of.
        wait_until(lambda: figures(publisher).questions == 7, "all are counted")
        assert figures(publisher).errors == 1


def test_a_dealer_has_its_answers_in_order(stock: Stock, publisher: Publisher) -> None:
    bound = publisher.answer("tcp://127.0.0.1:*")
    dealer = stock.socket(zmq.DEALER)
    dealer.set(zmq.RCVTIMEO, int(DEADLINE_S * 1000))
    dealer.connect(bound)
    for number in range(QUESTIONS_BURST // 2):
        envelope = [[], [b""], [b"a", b"b", b""]][number % 3]
        dealer.send_multipart([*envelope, json.dumps({"ask": "now", "id": number}).encode()])
    for number in range(QUESTIONS_BURST // 2):
        *envelope, answer = dealer.recv_multipart()
        assert envelope == [[], [b""], [b"a", b"b", b""]][number % 3]
        assert json.loads(answer)["id"] == number


def test_our_own_req_with_numbers_asks(publisher: Publisher) -> None:
    with Req() as one:
        one.connect(publisher.answer("ipc://*"))
        for question in (NOW, b"garbage", NOW):
            one.send(question, DEADLINE_S)
            [answer] = one.recv(DEADLINE_S)
            assert ("error" in json.loads(answer)) == (question != NOW)


@pytest.mark.parametrize("minor", [0, 1])
def test_a_raw_asker_cut_anywhere(publisher: Publisher, minor: int) -> None:
    with Raw(publisher.answer("tcp://127.0.0.1:*"), minor) as raw:
        for byte in encode_message([b"", NOW]):
            raw.send(bytes((byte,)))
        data = b""
        while b'"sequence":0' not in data:
            data += raw.socket.recv(4096)
        [asker] = wait_until(lambda: figures(publisher).askers, "it is counted")
        assert asker.version == f"3.{minor}"


def test_rates_and_ages(req: Socket, publisher: Publisher) -> None:
    req.connect(publisher.answer("ipc://*"))
    for _ in range(50):
        publisher.publish(b"a", b"")

    def is_noted() -> Any:
        topics = asked(req, ask="topics")["topics"]
        return topics if topics and topics[0]["age"] > 0 else None

    [topic] = wait_until(is_noted, "the clock has a note")
    assert topic["rate"] > 1


def test_a_list_that_fits_into_no_answer(req: Socket, publisher: Publisher) -> None:
    """It is asked for until it is whole, while others are published."""
    req.connect(publisher.answer("ipc://*"))
    expected = {b"topic.%d" % n: b"x" * 3_000 for n in range(200)}
    for topic, payload in expected.items():
        publisher.publish(topic, payload)
    found: dict[bytes, bytes] = {}
    question: dict[str, Any] = {"ask": "last", "prefix": "topic."}
    answers = 0
    while True:
        publisher.publish(b"other", b"")
        req.send(msgpack.packb(question))
        data = req.recv()
        assert len(data) <= ANSWER_BYTES_MAX
        answer = msgpack.unpackb(data)
        found |= {value["frames"][0]: value["frames"][1] for value in answer["values"]}
        answers += 1
        if "more" not in answer:
            break
        question["after"] = answer["more"]
    assert found == expected
    assert answers >= 3


def test_what_has_left_the_log_is_told(req: Socket, publisher: Publisher) -> None:
    req.connect(publisher.answer("ipc://*"))
    for _ in range(100):
        publisher.publish(b"a", b"x" * 50_000)
    error = asked(req, ask="log", from_=0)["error"]
    assert error["code"] == "gone"
    first = asked(req, ask="log", from_=error["oldest"], limit=1)["messages"][0]
    assert first["sequence"] == error["oldest"]
    other = asked(req, ask="log", from_=99, epoch="0" * 16)
    assert other["error"]["code"] == "gone"


def test_topics_that_may_not_be_asked_for(req: Socket, publisher: Publisher) -> None:
    req.connect(publisher.answer("ipc://*", allowed_topics=["mine.", b"ours."]))
    for topic in (b"mine.1", b"secret.1", b"ours.1"):
        publisher.publish(topic, b"")
    for question in ({"ask": "last"}, {"ask": "topics"}, {"ask": "log"}):
        answer = json.dumps(asked(req, **question))
        assert "mine.1" in answer
        assert "ours.1" in answer
        assert "secret" not in answer
    there = asked(req, ask="last", topics=["secret.1"])
    assert there["error"]["code"] == "forbidden"
    assert asked(req, ask="last", topics=["secret.2"]) == json.loads(
        json.dumps(there).replace("secret.1", "secret.2")
    )


# ------------------------------------------------------------------ strangers


def is_answered(publisher: Publisher, endpoint: str, seconds: float = 2.0) -> None:
    """An honest asker has its answers meanwhile, and most of them before long.

    All of them are not: the machine may stand still.
    """
    took: list[float] = []
    with Req() as honest:
        honest.connect(endpoint)
        for _ in range(20):
            honest.send(NOW, DEADLINE_S)
            begun = time.monotonic()
            honest.recv(DEADLINE_S)
            took.append(time.monotonic() - begun)
    assert median(took) < seconds


@pytest.mark.unmeasured
def test_one_that_floods_has_its_share_and_others_are_answered(publisher: Publisher) -> None:
    endpoint = publisher.answer("tcp://127.0.0.1:*")
    block = encode_message([b"", NOW]) * 200
    is_over = threading.Event()

    def flood(raw: Raw) -> None:
        raw.socket.setblocking(False)
        while not is_over.is_set():
            with contextlib.suppress(BlockingIOError):
                raw.socket.recv(1 << 20)
            try:
                raw.socket.send(block)
            except BlockingIOError:
                is_over.wait(0.001)

    with contextlib.ExitStack() as stack:
        raws = [stack.enter_context(Raw(endpoint)) for _ in range(4)]
        threads = [threading.Thread(target=flood, args=(raw,)) for raw in raws]
        begun = time.monotonic()
        for thread in threads:
            thread.start()
        try:
            much = 4 * (QUESTIONS_BURST + 3 * QUESTIONS_PER_S)
            wait_until(lambda: figures(publisher).questions > much, "they flood")
            is_answered(publisher, endpoint)
        finally:
            is_over.set()
            for thread in threads:
                thread.join(DEADLINE_S)
        seconds = time.monotonic() - begun
        most = max(one.questions for one in figures(publisher).askers)
        assert most <= QUESTIONS_BURST + QUESTIONS_PER_S * (seconds + 0.5)
    assert figures(publisher).evicted == 0


def test_who_has_asked_too_often_is_answered_as_soon_as_it_may(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fanout.answers.asker.QUESTIONS_BURST", 1)
    monkeypatch.setattr("fanout.answers.asker.QUESTIONS_PER_S", 20)
    endpoint = publisher.answer("tcp://127.0.0.1:*")
    begun = time.monotonic()
    with Req() as one:
        one.connect(endpoint)
        for _ in range(20):
            one.send(NOW, DEADLINE_S)
            one.recv(DEADLINE_S)
    assert 0.5 < time.monotonic() - begun < 10


def test_nothing_is_done_while_somebody_may_not_ask(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though its socket has more to be read."""
    monkeypatch.setattr("fanout.answers.asker.QUESTIONS_BURST", 1)
    monkeypatch.setattr("fanout.answers.asker.QUESTIONS_PER_S", 4)
    with Raw(publisher.answer("tcp://127.0.0.1:*")) as raw:
        wait_until(lambda: bool(figures(publisher).askers), "it is there")
        raw.send(encode_message([b"", NOW]) * 1_000)
        wait_until(lambda: figures(publisher).questions >= 1, "it is answered")
        [desk] = publisher._engine.desks._desks.values()
        turns = desk._turns  # type: ignore[attr-defined]  # it is no fake
        wait_until(lambda: figures(publisher).questions >= 5, "it is answered")
        assert desk._turns - turns < 100  # type: ignore[attr-defined]
        [asker] = desk.role.askers.values()  # type: ignore[attr-defined]
        assert len(asker.waiting) <= READ_BYTES // len(encode_message([b"", NOW])) + 1


def test_one_that_reads_nothing_holds_one_answer_and_is_closed_at_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fanout.answers.asker.UNREAD_S", 1.0)
    events: list[Event] = []
    with Publisher(workers=1, log_bytes=1 << 22, on_event=events.append) as publisher:
        for _ in range(30):
            publisher.publish(b"a", b"x" * 80_000)
        endpoint = publisher.answer("tcp://127.0.0.1:*")
        with Raw(endpoint, receive_bytes=4096) as raw:
            raw.send(encode_message([b"", b'{"ask":"log"}']) * 100)
            wait_until(lambda: figures(publisher).questions > 0, "it has an answer")
            is_answered(publisher, endpoint)
            [desk] = publisher._engine.desks._desks.values()
            for peer in desk.core.peers.copy():  # type: ignore[attr-defined]  # it is no fake
                assert peer.unsent_bytes <= ANSWER_BYTES_MAX + 1024
            wait_until(lambda: figures(publisher).evicted == 1, "it is closed")
        wait_until(lambda: EventKind.ASKER_EVICTED in {one.kind for one in events}, "it is told")
        [event] = [one for one in events if one.kind is EventKind.ASKER_EVICTED]
        assert event.cause is Reason.UNREAD_ANSWERS


def has_evicted(publisher: Publisher, count: int) -> bool:
    return figures(publisher).evicted == count


def test_questions_that_are_too_long(publisher: Publisher) -> None:
    """Long ones are answered, endless ones are cut off, those that never end take little."""
    endpoint = publisher.answer("tcp://127.0.0.1:*")
    with Raw(endpoint) as raw:
        raw.send(encode_message([b"", b"x" * (QUESTION_BYTES_MAX + 1)]))
        data = b""
        while b"too_large" not in data:
            data += raw.socket.recv(4096)
        with contextlib.suppress(ConnectionError):
            raw.send(encode_message([b"", b"x" * (MESSAGE_BYTES_MAX + 1)]))
        assert raw.ended()
    for data in (b"\x02" + (1 << 40).to_bytes(8, "big"), b"\x01\x00" * 100_000):
        wait_until(lambda: not figures(publisher).askers, "the last one is gone")
        before = figures(publisher).evicted
        with Raw(endpoint) as raw:
            wait_until(lambda: bool(figures(publisher).askers), "it is there")
            with contextlib.suppress(ConnectionError):
                raw.send(data)
            assert raw.ended()
        wait_until(partial(has_evicted, publisher, before + 1), "it is counted")
        wait_until(lambda: not figures(publisher).askers, "it is gone")
    is_answered(publisher, endpoint)


def test_so_many_askers_and_no_more(publisher: Publisher) -> None:
    endpoint = publisher.answer("tcp://127.0.0.1:*", max_askers=1)
    with Raw(endpoint):
        wait_until(lambda: len(figures(publisher).askers) == 1, "it is there")
        with Raw(endpoint) as second:
            assert second.ended()
            wait_until(lambda: figures(publisher).refused == 1, "it is counted")


def test_who_is_no_asker_is_refused() -> None:
    events: list[Event] = []
    with Publisher(workers=1, on_event=events.append) as publisher:
        endpoint = publisher.answer("tcp://127.0.0.1:*")
        host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
        sub = command(b"READY", b"\x0bSocket-Type\x00\x00\x00\x03SUB")
        for data in (b"GET / HTTP/1.1\r\n\r\n", greeting_3(1) + sub, greeting_3(1) + frame(b"x")):
            with socket.create_connection((host, int(port)), DEADLINE_S) as sock:
                sock.sendall(data)
                with contextlib.suppress(ConnectionError):
                    while sock.recv(4096):
                        pass
        wait_until(lambda: EventKind.HANDSHAKE_FAILED in {one.kind for one in events}, "it is told")
        assert (figures(publisher).accepted, figures(publisher).questions) == (0, 0)


@pytest.mark.unmeasured
def test_publish_is_not_held_up(publisher: Publisher) -> None:
    """By who asks for all there is, as often as may be: it has the interpreter half of the time."""
    for number in range(5_000):
        publisher.publish(b"topic.%d" % number, b"x" * 50)
    endpoint = publisher.answer("ipc://*")
    is_over = threading.Event()

    def insist() -> None:
        with Req() as one:
            one.connect(endpoint)
            while not is_over.is_set():
                for question in (b'{"ask":"topics"}', b'{"ask":"last"}', b'{"ask":"log"}'):
                    one.send(question, DEADLINE_S)
                    one.recv(DEADLINE_S)

    # In another process: what it costs to read the answers is not what is measured.
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            insist()
        os._exit(1)
    try:
        wait_until(lambda: figures(publisher).questions > 20, "it asks")
        worst, before = 0.0, figures(publisher).questions

        def have_been_answered_meanwhile() -> bool:
            nonlocal worst
            for number in range(500):
                begun = time.thread_time()
                publisher.publish(b"topic.%d" % number, b"y" * 50)
                worst = max(worst, time.thread_time() - begun)
            return figures(publisher).questions >= before + 3

        wait_until(have_been_answered_meanwhile, "each question is answered")
        assert worst < 0.1
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


# ------------------------------------------------------------------ endpoints


def test_stop_answer_ends_one_endpoint(req: Socket, publisher: Publisher) -> None:
    first = publisher.answer("tcp://127.0.0.1:*")
    second = publisher.answer("ipc://*")
    assert list(publisher.answer_endpoints) == [first, second]
    with Raw(first) as raw:
        wait_until(lambda: bool(publisher.answer_statistics()[0].askers), "it is there")
        publisher.stop_answer(first)
        assert raw.ended()
    assert list(publisher.answer_endpoints) == [second]
    with pytest.raises(ConfigError, match="answers no questions"):
        publisher.stop_answer(first)
    with pytest.raises(ConnectionRefusedError):
        Raw(first)
    req.connect(second)
    assert asked(req, ask="now")["sequence"] == 0
    publisher.stop_answer(second)
    assert not os.path.exists(second.removeprefix("ipc://"))


def test_what_cannot_work_changes_nothing(publisher: Publisher) -> None:
    [own] = publisher.endpoints
    with pytest.raises(BindError, match="this publisher itself listens"):
        publisher.answer(own)
    taken = publisher.answer("tcp://127.0.0.1:*")
    with pytest.raises(BindError, match="this publisher itself listens"):
        publisher.answer(taken)
    publisher.stop_answer(taken)
    with pytest.raises(ConfigError):
        publisher.answer("inproc://x")
    with pytest.raises(ConfigError, match="allowed_topics is empty: nothing could be asked for"):
        publisher.answer("tcp://127.0.0.1:*", allowed_topics=[])
    with pytest.raises(TypeError, match="allowed_topics"):
        publisher.answer("tcp://127.0.0.1:*", allowed_topics=1)  # type: ignore[arg-type]
    for wrong in (0, 4_097):
        with pytest.raises(ConfigError, match=f"max_askers={wrong}"):
            publisher.answer("tcp://127.0.0.1:*", max_askers=wrong)
    with pytest.raises(TypeError):
        publisher.answer("tcp://127.0.0.1:*", max_askers=True)
    assert publisher.answer_endpoints == ()


def test_close_ends_it(req: Socket) -> None:
    publisher = Publisher(workers=1)
    endpoint = publisher.answer("tcp://127.0.0.1:*")
    with Raw(endpoint) as raw:
        wait_until(lambda: bool(figures(publisher).askers), "it is there")
        raw.send(encode_message([b"", NOW]))
        wait_until(lambda: figures(publisher).questions == 1, "it is answered")
        publisher.close()
        assert raw.ended()
    with pytest.raises(ConnectionRefusedError):
        Raw(endpoint)
    for call in (lambda: publisher.answer("ipc://*"), publisher.answer_statistics):
        with pytest.raises(ClosedError):
            call()
    assert publisher.answer_endpoints == ()
    assert "fanout-answer" not in {thread.name for thread in threading.enumerate()}


def test_a_forked_child_has_nothing_of_it(publisher: Publisher) -> None:
    endpoint = publisher.answer("tcp://127.0.0.1:*")
    with Raw(endpoint) as raw:
        wait_until(lambda: bool(figures(publisher).askers), "it is there")
        with refused_in_child(
            publisher,
            lambda: publisher.answer("tcp://127.0.0.1:*"),
            lambda: publisher.stop_answer(endpoint),
            publisher.answer_statistics,
        ):
            is_answered(publisher, endpoint)
            publisher.stop_answer(endpoint)
            assert raw.ended(), "the child holds the connection open"
            with pytest.raises(ConnectionRefusedError):
                Raw(endpoint)


def test_a_thread_that_fails_leaves_a_publisher_that_works(
    publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = publisher.answer("tcp://127.0.0.1:*")
    [desk] = publisher._engine.desks._desks.values()

    def fail() -> None:
        raise MemoryError

    with Raw(endpoint) as raw:
        desk.order(fail)  # type: ignore[attr-defined]  # it is no fake
        assert raw.ended()
    wait_until(lambda: publisher.answer_endpoints == (), "it is over")
    wait_until(lambda: "answer() begins anew" in caplog.text, "it is told")
    publisher.publish(b"a", b"1")
    is_answered(publisher, publisher.answer(endpoint))


async def in_asyncio(stock: Stock) -> None:
    async with fanout.asyncio.Publisher(workers=1) as publisher:
        endpoint = await publisher.answer("tcp://127.0.0.1:*", allowed_topics=b"a")
        assert publisher.answer_endpoints == (endpoint,)
        with Raw(endpoint) as raw:
            raw.send(encode_message([b"", NOW]))
            assert await asyncio.to_thread(raw.socket.recv, 10)
        # They are told once in a turn, which the answer comes out of.
        await asyncio.to_thread(
            wait_until, lambda: publisher.answer_statistics()[0].accepted == 1, "it is counted"
        )
        await publisher.stop_answer(endpoint)
        assert not publisher.answer_endpoints


def test_in_asyncio(stock: Stock) -> None:
    asyncio.run(in_asyncio(stock))


@pytest.mark.parametrize("steps", range(6))
def test_cancelled_in_asyncio_it_answers_nowhere(steps: int) -> None:
    async def main() -> None:
        async with fanout.asyncio.Publisher(workers=1) as publisher:
            task = asyncio.create_task(publisher.answer("tcp://127.0.0.1:*"))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task})
            if task.cancelled():
                assert publisher.answer_endpoints == ()
            else:
                assert publisher.answer_endpoints == (task.result(),)

    asyncio.run(main())
    assert "fanout-answer" not in {thread.name for thread in threading.enumerate()}
