"""What producers cannot do to each other, and what is counted of what they lose."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from functools import partial
from typing import TYPE_CHECKING

import pytest

from fanout import Event, EventKind, Publisher, Reason
from fanout.ingress.poller import Poller
from fanout.zmtp import encode_message
from tests.helpers.producing import Raw, figures, has_dropped, subscribed
from tests.helpers.raw import command
from tests.helpers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.ingress.loop import Loop
    from tests.helpers.stock import Stock

COUNT = 60  # messages: more than one read, less than the system keeps
MESSAGES = [encode_message([b"a", b"%d" % number, b"x" * 1000]) for number in range(COUNT)]


def loop_of(publisher: Publisher) -> Loop:
    loop = publisher._engine.ingress._loop
    assert loop is not None
    return loop


def poison(publisher: Publisher) -> None:
    """No producer can be read until `recover()`."""
    log = publisher._engine.path.log
    log._raise_flag(log.head + 1)


def test_what_stop_ingest_has_no_room_for_is_counted(stock: Stock, publisher: Publisher) -> None:
    subscriber = subscribed(stock, publisher, b"")
    intake = publisher.ingest("tcp://127.0.0.1:*")
    with Raw(intake) as raw:
        wait_until(lambda: bool(figures(publisher).producers), "it is there")
        poison(publisher)
        raw.send(b"".join(MESSAGES) + MESSAGES[0][:500])
        loop = loop_of(publisher)
        wait_until(lambda: loop._waiting, "a part was read")
        read = sum(piece.attempt.count for piece in loop._waiting)
        assert 0 < read < COUNT
        last = publisher.stop_ingest(intake)
        assert (last.endpoint, last.messages, last.dropped) == (intake, 0, COUNT - read + 1)
        assert last.dropped_bytes == sum(map(len, MESSAGES[read:])) + 500
        assert raw.ended()
    publisher.recover()
    got = [subscriber.recv_multipart()[1] for _ in range(read)]
    assert got == [b"%d" % number for number in range(read)]
    publisher.publish(b"last", b"")
    assert subscriber.recv_multipart() == [b"last", b""]


def test_what_close_has_no_room_for_is_counted(publisher: Publisher) -> None:
    events: list[Event] = []
    with publisher.events() as queue, Raw(publisher.ingest("tcp://127.0.0.1:*")) as raw:
        wait_until(lambda: bool(figures(publisher).producers), "it is there")
        [source] = loop_of(publisher).sources.values()
        poison(publisher)
        raw.send(b"".join(MESSAGES))
        wait_until(lambda: loop_of(publisher)._waiting, "a part was read")
        publisher.close(0.1)
        assert (source.messages, source.dropped) == (0, COUNT)
        assert source.dropped_bytes == sum(map(len, MESSAGES))
        events += queue
    [told] = [one for one in events if one.kind is EventKind.PRODUCER_DISCONNECTED]
    assert "messages that are not published" in told.reason


def test_who_comes_while_there_is_no_room_takes_little(stock: Stock, publisher: Publisher) -> None:
    """What is sent behind the handshake waits for its turn, even of who is evicted for it."""
    subscriber = subscribed(stock, publisher, b"")
    intake = publisher.ingest("tcp://127.0.0.1:*")
    with contextlib.ExitStack() as stack:
        stack.enter_context(Raw(intake, eager=encode_message([b"a", b"first"])))
        assert subscriber.recv_multipart() == [b"a", b"first"]
        loop = loop_of(publisher)
        # The subscriber may have it before the thread that has appended it has put it aside.
        wait_until(lambda: not loop._waiting, "the first waits no more")
        poison(publisher)
        stack.enter_context(Raw(intake, eager=MESSAGES[0]))
        wait_until(lambda: loop._waiting, "one waits")
        violation = b"\x02" + b"\xff" * 8
        for number in range(20):
            eager = encode_message([b"a", b"eager%d" % number]) + violation
            assert stack.enter_context(Raw(intake, eager=eager)).is_greeted()
        assert len(loop._waiting) == 1
        assert len(figures(publisher).producers) == 22
        publisher.recover()
        got = {subscriber.recv_multipart()[1] for _ in range(21)}
        assert got == {b"0", *(b"eager%d" % number for number in range(20))}
        wait_until(lambda: figures(publisher).evicted == 20, "they are evicted then")


@pytest.mark.parametrize("refused", ["watch", "watch_producer"])
def test_a_connection_that_cannot_be_waited_for_ends_alone(
    stock: Stock, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    events: list[Event] = []
    with Publisher("tcp://127.0.0.1:*", workers=1, on_event=events.append) as publisher:
        subscriber = subscribed(stock, publisher, b"")
        intake = publisher.ingest("tcp://127.0.0.1:*")
        with Raw(intake) as honest:
            wait_until(lambda: bool(figures(publisher).producers), "it is there")
            kept: Callable[..., None] = getattr(Poller, refused)

            def refuse(self: Poller, descriptor: int, **how: bool) -> None:
                if not how:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                kept(self, descriptor, **how)

            with monkeypatch.context() as patch:
                patch.setattr(Poller, refused, refuse)
                with Raw(intake) as other:
                    assert other.ended()
            wait_until(lambda: any(one.cause is Reason.NO_RESOURCES for one in events), "told")
            with Raw(intake, eager=encode_message([b"a", b"after"])):
                assert subscriber.recv_multipart() == [b"a", b"after"]
            honest.send(encode_message([b"a", b"honest"]))
            assert subscriber.recv_multipart() == [b"a", b"honest"]


def test_a_command_that_is_too_large_is_no_message_that_is_lost() -> None:
    with Publisher(workers=1, log_bytes=1 << 20, max_inbound_bytes=1024) as publisher:
        intake = publisher.ingest("tcp://127.0.0.1:*")
        for number, bad in enumerate((command(b"X", b"x" * 2000), command(b"PING", b"x" * 2000))):
            with Raw(intake, eager=encode_message([b"a", b"1"]) + bad) as raw:
                assert raw.ended()
            wait_until(partial(has_evicted, publisher, number + 1), "it is evicted")
        assert (figures(publisher).messages, figures(publisher).dropped) == (2, 0)
        with Raw(intake, eager=b"\x02" + (1 << 40).to_bytes(8, "big")) as raw:
            assert raw.ended()
        wait_until(partial(has_dropped, publisher, 1), "but a message is")


def has_evicted(publisher: Publisher, count: int) -> bool:
    return figures(publisher).evicted == count


@pytest.mark.parametrize("cut", [1, 3, 5, 500, len(MESSAGES[0]) - 1])
def test_a_producer_that_is_killed_in_mid_message_publishes_nothing_of_it(
    stock: Stock, publisher: Publisher, cut: int
) -> None:
    subscriber = subscribed(stock, publisher, b"")
    intake = publisher.ingest("tcp://127.0.0.1:*")
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            raw = Raw(intake)
            raw.send(encode_message([b"whole"]) + MESSAGES[0][:cut])
            signal.pause()
        os._exit(1)
    try:
        assert subscriber.recv_multipart() == [b"whole"]
        assert figures(publisher).dropped == 0
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    wait_until(lambda: figures(publisher).dropped_bytes == cut, "it is counted")
    assert figures(publisher).dropped == 1
    publisher.publish(b"last", b"")
    assert subscriber.recv_multipart() == [b"last", b""]
