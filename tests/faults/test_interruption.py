"""The send path interrupted at every line and at every instruction of it.

After each interruption the message was sent whole or not at all; the publisher works, from this
thread and from another, or says that it is poisoned, and then `recover()` mends it; and a raw
subscriber receives exactly what was committed.
"""

from __future__ import annotations

import ctypes
import gc
import itertools
import os
import signal
import tempfile
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest

from fanout import NestedSendError, PoisonedError, Publisher
from fanout.send.path import SendPath
from fanout.shm import layout as at
from fanout.transport.opening import open_listener
from tests.faults.subject import BIG, SENDS, STEPS_MAX, Subject, every_step, raiser, send_batch
from tests.helpers.interrupting import Steps, untraced
from tests.helpers.programs import descriptors, holdings, require_holdings
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

    from tests.helpers.collecting import Message


@pytest.mark.parametrize("opcodes", [False, True], ids=["lines", "instructions"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("name", SENDS)
def test_interrupted_anywhere(
    subject: Subject, name: str, error: type[BaseException], opcodes: bool
) -> None:
    subject.is_interrupted_anywhere(name, error, opcodes=opcodes)


@pytest.mark.usefixtures("reorders")
@pytest.mark.parametrize("name", ["publish", "batch"])
def test_interrupted_anywhere_on_a_machine_that_reorders_stores(
    subject: Subject, name: str
) -> None:
    """There a commit has fences, which are locks, and these are interrupted as well."""
    test_interrupted_anywhere(subject, name, KeyboardInterrupt, opcodes=True)


@pytest.mark.parametrize("name", ["publish", "batch"])
def test_interrupted_again_while_it_settles(
    subject: Subject, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first interruption ends tracing, so the handler starts it again, for the second."""
    send, messages = SENDS[name]
    settle = SendPath._settle
    second = Steps(1, raiser(KeyboardInterrupt))

    def settle_interrupted(path: SendPath) -> None:
        with second:
            settle(path)

    def run(first_number: int) -> Steps:
        nonlocal second
        first = Steps(first_number, raiser(KeyboardInterrupt))
        for second_number in range(1, STEPS_MAX):
            first = Steps(first_number, raiser(KeyboardInterrupt))
            second = Steps(second_number, raiser(KeyboardInterrupt))
            with monkeypatch.context() as patch:
                patch.setattr(SendPath, "_settle", settle_interrupted)
                subject.interrupted(
                    lambda: send(subject.publisher, first_number), messages(first_number), first
                )
            subject.works_everywhere(here_first=(first_number + second_number) % 2 == 0)
            if not second.reached:
                break
        return first

    every_step(run)
    assert subject.mended > 0, "no interruption was bad enough to need recover()"


def poison(publisher: Publisher) -> None:
    """Leave the send path as after a send that was interrupted and not rolled back."""
    log = publisher._engine.path.log
    log._words[at.H_POISON] = 1 + log.head
    log.load()


def test_poisoned_it_refuses_every_send_until_it_is_recovered(subject: Subject) -> None:
    publisher = subject.publisher
    poison(publisher)
    before = subject.head
    for send, _messages in SENDS.values():
        with pytest.raises(PoisonedError, match=r"recover\(\)"):
            send(publisher, 0)
    with pytest.raises(PoisonedError):
        subject.elsewhere(lambda: publisher.publish(b"known", b"refused"))
    assert publisher.poisoned
    assert subject.head == before
    publisher.recover()
    subject.works_everywhere()


def test_a_recovery_can_be_interrupted_and_repeated(subject: Subject) -> None:
    def run(number: int) -> Steps:
        poison(subject.publisher)
        steps = Steps(number, raiser(KeyboardInterrupt), opcodes=True)
        with suppress(KeyboardInterrupt), steps:
            subject.publisher.recover()
        subject.works_everywhere(here_first=number % 2 == 0)
        return steps

    every_step(run)


def test_waiting_without_end_can_be_interrupted() -> None:
    """No room, and no subscriber that takes anything: only interruptions end the sends."""

    def no_room(needed_bytes: int, count: int = 1) -> bool:
        return False

    with Publisher(
        "tcp://127.0.0.1:*", workers=1, log_bytes=64 * 1024, slow_policy="block", drain_timeout=0
    ) as publisher:
        # The tail of a worker that serves nobody holds nothing back: pin it as one would.
        publisher._engine.path.make_room = no_room  # type: ignore[method-assign]
        while publisher._engine.path.log.fits(len(BIG) + 20, 1):
            publisher.publish(b"big", BIG)
        before = publisher._engine.path.log.head
        for number in range(1, 120):
            steps = Steps(number, raiser(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt), steps:
                publisher.publish(b"big", BIG, timeout=DEADLINE_S)
            assert steps.reached
            assert publisher._engine.path.log.head == before
        assert not publisher.poisoned
        del publisher._engine.path.make_room
        assert publisher.publish(b"big", BIG) == before


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "ipc://*", "ipc://feed", "ipc://@*"])
def test_an_interrupted_bind_leaves_nothing(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file either; and no socket that only the collector closes, which would be a warning."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    endpoint = endpoint.replace("@*", f"@fanout-test-{os.getpid()}")
    before = holdings()

    def run(number: int) -> Steps:
        steps = Steps(number, raiser(KeyboardInterrupt))
        with suppress(KeyboardInterrupt), steps:
            listener = open_listener(endpoint, 5)
        if not steps.reached:
            listener.close()
        if descriptors() != before[0]:  # a look at all that it holds takes far longer
            require_holdings(before)
        assert os.listdir(tmp_path) == []
        return steps

    every_step(run)
    require_holdings(before)


@pytest.mark.filterwarnings("ignore:published on the publisher inside:RuntimeWarning")
def test_a_send_inside_a_send_is_refused_or_whole(subject: Subject) -> None:
    """As from a signal handler or a finalizer that runs at that line."""
    refused = 0
    inner: dict[int, Message] = {}  # by sequence

    def act() -> None:
        nonlocal refused
        message = [b"inner", b"%d" % subject.head]
        try:
            inner[subject.publisher.publish(message[0], message[1])] = message
        except NestedSendError:
            refused += 1

    def run(name: str, number: int) -> Steps:
        send, messages = SENDS[name]
        inner.clear()
        before = subject.head
        steps = Steps(number, act, opcodes=True)
        with steps:
            send(subject.publisher, number)
        outer = iter(messages(number))
        subject.expected += [inner.get(n) or next(outer) for n in range(before, subject.head)]
        assert list(outer) == []
        return steps

    for name in ("publish", "new_topic", "batch"):
        every_step(partial(run, name))
    assert refused > 10


def test_a_signal_handler_may_publish_at_any_time(subject: Subject) -> None:
    """What it cannot send now is refused, and it may come again; nothing locks up."""
    sent: dict[int, Message] = {}
    refused = 0

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        nonlocal refused
        message = [b"signal", b"%d" % len(sent)]
        try:
            sent[subject.publisher.publish(message[0], message[1])] = message
        except NestedSendError:
            refused += 1

    with untraced():
        before = signal.signal(signal.SIGALRM, on_signal)
        limit = signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)  # the time limit of this test
        try:
            for number in range(STEPS_MAX):
                message = [b"known", b"%d" % number]
                sent[subject.publisher.publish(message[0], message[1])] = message
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            signal.setitimer(signal.ITIMER_REAL, *limit)
    assert len(sent) > STEPS_MAX, "no signal came"
    subject.expected += [sent[sequence] for sequence in sorted(sent)]
    subject.works_everywhere()


def test_a_finalizer_may_publish_at_any_time(subject: Subject) -> None:
    sent: dict[int, Message] = {}

    class Finalized:
        def __init__(self) -> None:
            self.cycle = self  # only the collector finds it, in the middle of whatever runs

        def __del__(self) -> None:
            message = [b"finalizer", b"%d" % len(sent)]
            with suppress(NestedSendError):
                sent[subject.publisher.publish(message[0], message[1])] = message

    with untraced():
        thresholds = gc.get_threshold()
        gc.set_threshold(3)
        try:
            for number in range(2000):
                Finalized()
                batch = [[b"known", b"%d" % number, b""], [b"%d" % number, b"x"]]
                first = send_batch(subject.publisher, batch)
                sent |= {first + n: message for n, message in enumerate(batch)}
        finally:
            gc.set_threshold(*thresholds)
            gc.collect()
    assert len(sent) > 4000, "no finalizer ran"
    subject.expected += [sent[sequence] for sequence in sorted(sent)]
    subject.works_everywhere()


class Interrupted(BaseException):
    """Raised into a thread from outside."""


def test_a_thread_interrupted_from_outside_at_random_points(subject: Subject) -> None:
    publisher = subject.publisher
    done = threading.Event()
    rounds = 0
    numbers = itertools.count()

    def publish_until_done() -> None:
        nonlocal rounds
        rounds += 1  # where an interruption is caught
        while not done.is_set():
            try:
                publisher.publish(b"%d" % (next(numbers) % 100), b"%d" % next(numbers))
            except PoisonedError:
                publisher.recover()

    def work() -> None:
        with untraced():
            while not done.is_set():
                with suppress(Interrupted):
                    publish_until_done()

    before = subject.head
    thread = threading.Thread(target=work)
    thread.start()
    assert thread.ident is not None
    try:
        wait_until(lambda: rounds, "the thread")
        for _ in range(100):
            seen = rounds
            raise_in(thread.ident, Interrupted)
            wait_until(lambda seen=seen: rounds > seen, "the interruption")  # type: ignore[misc]
            subject.elsewhere(lambda: publisher.send(b"elsewhere"))
    finally:
        done.set()
        thread.join(DEADLINE_S)
    assert not thread.is_alive()
    messages = subject.collector.wait_for(len(subject.expected) + subject.head - before)
    published = messages[len(subject.expected) :]
    assert len(published) == subject.head - before
    assert published.count([b"elsewhere"]) == 100
    ours = [int(message[1]) for message in published if len(message) == 2]
    assert ours == sorted(set(ours)), "not in order, or twice"
    subject.expected = list(messages)
    subject.works_everywhere()


def raise_in(thread: int, error: type[BaseException]) -> None:
    raised = ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), ctypes.py_object(error)
    )
    assert raised == 1
