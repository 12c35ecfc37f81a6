"""A polite guest in the user's process: threads, callbacks, signals, logging, several at once."""

from __future__ import annotations

import logging
import os
import signal
import threading
import warnings
from typing import TYPE_CHECKING

import psutil
import pytest

from fanout import EventKind, ForkedError, Publisher
from tests.helpers.happenings import Happenings
from tests.helpers.raw import RawPeer
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from fanout import Event
    from tests.helpers.stock import Stock

THREADS = 8
EACH = 2000


@pytest.mark.unmeasured
def test_eight_threads_publish_in_the_order_of_the_sequence_numbers() -> None:
    sent: dict[int, list[bytes]] = {}

    def publish(thread: int) -> None:
        for number in range(EACH):
            message = [b"t%d" % (thread % 3), b"%d:%d" % (thread, number)]
            if number % 10 == 9:
                with publisher.batch() as batch:
                    batch.publish(message[0], message[1])
                assert batch.sequence is not None
                sent[batch.sequence] = message
            elif number % 10 == 8:
                sent[publisher.send_multipart(message)] = message
            else:
                sent[publisher.publish(message[0], message[1])] = message

    with (
        Publisher("tcp://127.0.0.1:*", workers=2, slow_policy="block") as publisher,
        RawPeer.version_3(publisher.endpoints[0], b"", read_ahead=65536) as everything,
        RawPeer.version_3(publisher.endpoints[0], b"t1", read_ahead=65536) as some,
    ):
        publisher.wait_for_subscribers(2, topic=b"t1", timeout=DEADLINE_S)
        threads = [threading.Thread(target=publish, args=(n,)) for n in range(THREADS)]
        for thread in threads:
            thread.start()
        arrived = [everything.read_message() for _ in range(THREADS * EACH)]
        for thread in threads:
            thread.join(DEADLINE_S)
        assert sorted(sent) == list(range(THREADS * EACH))
        assert arrived == [sent[sequence] for sequence in range(THREADS * EACH)]
        wanted = [message for message in arrived if message[0] == b"t1"]
        assert [some.read_message() for _ in wanted] == wanted


def test_several_publishers_in_one_process(stock: Stock) -> None:
    with (
        Publisher("tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20) as one,
        Publisher("tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20) as other,
    ):
        both = stock.connect(one.endpoints[0], b"")
        both.connect(other.endpoints[0])
        one.wait_for_subscribers(1, timeout=DEADLINE_S)
        other.wait_for_subscribers(1, timeout=DEADLINE_S)
        one.publish(b"a", b"one")
        assert both.recv_multipart() == [b"a", b"one"]
        other.publish(b"a", b"other")
        assert both.recv_multipart() == [b"a", b"other"]
        one.close()
        assert other.publish(b"a", b"still there") == 1
        assert both.recv_multipart() == [b"a", b"still there"]


def test_a_callback_that_raises_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    called = threading.Event()

    def fail(event: Event) -> None:
        called.set()
        raise RuntimeError(f"meant, for {event.kind}")

    with (
        Publisher("tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20, on_event=fail) as publisher,
        RawPeer.version_3(publisher.endpoints[0], b"a") as peer,
    ):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        publisher.publish(b"a", b"1")
        assert peer.read_message() == [b"a", b"1"]
    assert called.is_set()
    failures = [r for r in caplog.records if str(EventKind.CALLBACK_FAILED) in r.getMessage()]
    assert failures
    assert {record.name for record in failures} == {"fanout"}
    assert all(record.exc_info for record in failures)


def test_events_come_on_one_thread_which_is_not_the_users() -> None:
    threads: set[int] = set()
    happenings = Happenings()

    def on_event(event: Event) -> None:
        threads.add(threading.get_ident())
        happenings(event)

    with Publisher(
        "tcp://127.0.0.1:*", workers=2, log_bytes=1 << 20, on_event=on_event
    ) as publisher:
        with RawPeer.version_3(publisher.endpoints[0], b"a"):
            happenings.wait_for(EventKind.SUBSCRIBER_CONNECTED)
        happenings.wait_for(EventKind.SUBSCRIBER_DISCONNECTED)
    assert len(happenings.of(EventKind.WORKER_STARTED)) == 2
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_a_callback_may_use_the_publisher() -> None:
    answers: list[object] = []
    happenings = Happenings()

    def on_event(event: Event) -> None:
        if event.kind is EventKind.SUBSCRIBER_CONNECTED:
            answers.append(publisher.endpoints)
            answers.append(publisher.publish(b"a", b"welcome"))
            answers.append(publisher.has_subscribers(b"b"))
            answers.append(publisher.statistics().subscribers)
        happenings(event)

    with Publisher(
        "tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20, on_event=on_event
    ) as publisher:
        with RawPeer.version_3(publisher.endpoints[0]):
            happenings.wait_for(EventKind.SUBSCRIBER_CONNECTED)
        assert answers == [publisher.endpoints, 0, False, 1]


def test_signal_handlers_and_logging_are_left_alone() -> None:
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    root = list(logging.getLogger().handlers)
    with Publisher("tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20) as publisher:
        publisher.publish(b"a", b"")
        assert {n: signal.getsignal(n) for n in signal.valid_signals()} == handlers
    assert {n: signal.getsignal(n) for n in signal.valid_signals()} == handlers
    assert logging.getLogger().handlers == root
    logger = logging.getLogger("fanout")
    assert {type(handler) for handler in logger.handlers} == {logging.NullHandler}
    assert (logger.level, logger.propagate) == (logging.NOTSET, True)


def test_nice_workers_give_way_also_when_they_replace_a_lost_one() -> None:
    mine = psutil.Process().nice()
    with Publisher("tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20, worker_nice=2) as publisher:
        first = publisher.statistics().workers[0].pid
        assert psutil.Process(first).nice() == min(mine + 2, 19)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: publisher.statistics().workers[0].pid not in (0, first), "it is back")
        second = psutil.Process(publisher.statistics().workers[0].pid)
        wait_until(lambda: second.nice() == min(mine + 2, 19), "it is nice as well")


def test_workers_outlive_the_users_ctrl_c() -> None:
    with (
        Publisher("tcp://127.0.0.1:*", workers=2, log_bytes=1 << 20) as publisher,
        RawPeer.version_3(publisher.endpoints[0], b"a") as peer,
    ):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        for worker in publisher.statistics().workers:
            os.kill(worker.pid, signal.SIGINT)
            os.kill(worker.pid, signal.SIGTERM)
        publisher.publish(b"a", b"1")
        assert peer.read_message() == [b"a", b"1"]
        assert [worker.restarts for worker in publisher.statistics().workers] == [0, 0]


def test_a_forked_child_is_told_and_harms_nothing() -> None:
    with (
        Publisher("tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20) as publisher,
        RawPeer.version_3(publisher.endpoints[0], b"a") as peer,
    ):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads, from 3.12
            child = os.fork()
        if child == 0:
            status = 1
            try:
                publisher.publish(b"a", b"from the child")
            except ForkedError:
                publisher.close()
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        publisher.publish(b"a", b"1")
        assert peer.read_message() == [b"a", b"1"]
