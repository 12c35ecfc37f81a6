"""Calls of sockets that are interrupted at every line, as by Ctrl-C, and what is true afterwards.

A call that was interrupted has done all or nothing. Whether it has sent is asked of the socket;
what was to be received is still there. Then messages go both ways, and each arrives once and in
order.
"""

from __future__ import annotations

import gc
import threading
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from fanout.sockets import Dealer, Limits, Pull, Push, Rep, Req, Router, StateError, Sub, wiring
from tests.faults.subject import every_step, raiser
from tests.helpers.interrupting import Steps, untraced
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ERRORS = [KeyboardInterrupt, MemoryError]


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was handed over in a call that was cut before it woke the thread waits for a look."""
    monkeypatch.setattr(wiring, "LOOK_EACH_S", wiring.LOOK_LEAST_S)


CUT = b"cut"
AFTER = 5  # messages each way, after each interruption


@contextmanager
def pair(a: Any, b: Any) -> Iterator[tuple[Any, Any]]:
    """Two sockets that are connected; their threads are not traced."""
    with untraced(), ExitStack() as stack:
        stack.enter_context(a)
        stack.enter_context(b)
        a.connect(b.bind("ipc://*"))
        a.wait_for_peers(1, DEADLINE_S)
        b.wait_for_peers(1, DEADLINE_S)
        yield a, b


def interrupted(steps: Steps, call: Callable[[], object]) -> bool:
    """Whether the call raised what the steps raise.

    No garbage is collected meanwhile: sockets of earlier steps end there, in the midst of the call.
    """
    gc.disable()
    try:
        with steps:
            call()
    except (KeyboardInterrupt, MemoryError):
        return True
    finally:
        gc.enable()
    return False


def text(number: int, index: int) -> bytes:
    return b"%d.%d" % (number, index)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("kind", [Push, Dealer])
@pytest.mark.parametrize("verb", ["send", "try_send"])
def test_send_to_any(kind: type[Push | Dealer], verb: str, error: type[BaseException]) -> None:
    receiver = Pull if kind is Push else Dealer
    with pair(kind(), receiver()) as (a, b):

        def run(number: int) -> Steps:
            steps = Steps(number, raiser(error))
            before = accepted(a)
            cut = interrupted(steps, lambda: getattr(a, verb)(CUT))
            was_sent = accepted(a) - before
            assert was_sent == 1 or cut, "it returned and has not sent"
            for index in range(AFTER):
                a.send(text(number, index), DEADLINE_S)
            expected = [CUT] * was_sent + [text(number, index) for index in range(AFTER)]
            assert [b.recv(DEADLINE_S)[0] for _ in expected] == expected
            assert b.try_recv() is None
            return steps

        every_step(run)


def accepted(sender: Any) -> int:
    """Messages that were handed over so far."""
    sender.drain(DEADLINE_S)
    statistics = sender.statistics()
    return int(statistics.sent + statistics.dropped)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("verb", ["recv", "try_recv", "next"])
@pytest.mark.parametrize("kind", [Pull, Dealer, Router, Sub])
def test_recv(kind: type[Any], verb: str, error: type[BaseException]) -> None:
    """What is there stays there, at the front."""
    other = {Pull: Push, Dealer: Dealer, Router: Dealer, Sub: Push}[kind]
    a: Any = kind(b"") if kind is Sub else kind()
    if kind is Sub:  # nothing of ours publishes: its inbox is filled by hand
        with untraced(), a:
            check_recv(a, lambda message: fill(a, message), verb, error)
        return
    with pair(other(), a) as (b, _):
        check_recv(a, b.send, verb, error)


def fill(sub: Sub, message: bytes) -> None:
    lane = sub._actor.role.inbox  # type: ignore[attr-defined]  # a Sub has one
    lane.put(_LANE, (message,), len(message))


class _Lane:
    round = 0


_LANE = _Lane()


def check_recv(
    a: Any, send: Callable[[bytes], object], verb: str, error: type[BaseException]
) -> None:
    def run(number: int) -> Steps:
        steps = Steps(number, raiser(error))
        texts = [text(number, index) for index in range(AFTER)]
        for one in texts:
            send(one)
        wait_until(lambda: len(a._actor.inbox) == AFTER, "all are there")
        got: list[bytes] = []

        def call() -> None:
            # The result is there in the step in which the call returns, so it is looked at here.
            got.append((next(a) if verb == "next" else getattr(a, verb)())[-1])

        cut = interrupted(steps, call)
        assert len(got) == (not cut)
        while len(got) < AFTER:
            got.append(a.recv(DEADLINE_S)[-1])
        assert got == texts
        assert a.try_recv() is None
        return steps

    every_step(run)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("kind", [Pull, Dealer, Router, Rep])
def test_recv_that_waits_in_vain(kind: type[Any], error: type[BaseException]) -> None:
    other = {Pull: Push, Dealer: Dealer, Router: Dealer, Rep: Dealer}[kind]
    before = [b""] if kind is Rep else []
    with pair(other(), kind()) as (b, a):

        def run(number: int) -> Steps:
            steps = Steps(number, raiser(error))
            with suppress(TimeoutError):
                interrupted(steps, lambda: a.recv(0))
            for index in range(AFTER):
                b.send([*before, text(number, index)], DEADLINE_S)
                assert a.recv(DEADLINE_S)[-1] == text(number, index)
            assert a._actor.items.waiters == 0
            return steps

        every_step(run)


@pytest.mark.parametrize("error", ERRORS)
def test_send_that_waits_in_vain(error: type[BaseException]) -> None:
    with untraced(), Push(limits=Limits(outbox_messages=1)) as push, Pull() as pull:
        endpoint = pull.bind("ipc://*")

        def run(number: int) -> Steps:
            steps = Steps(number, raiser(error))
            with suppress(TimeoutError):
                interrupted(steps, lambda: push.send(CUT, 0))
            assert push.statistics().outbox == 0
            return steps

        every_step(run)
        push.connect(endpoint)
        for index in range(AFTER):
            push.send(text(0, index), DEADLINE_S)
        assert [pull.recv(DEADLINE_S)[0] for _ in range(AFTER)] == [
            text(0, index) for index in range(AFTER)
        ]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("verb", ["send", "try_send"])
def test_router_send(verb: str, error: type[BaseException]) -> None:
    with pair(Dealer(identity=b"a"), Router()) as (b, a):

        def run(number: int) -> Steps:
            steps = Steps(number, raiser(error))
            before = accepted(a)
            cut = interrupted(steps, lambda: getattr(a, verb)([b"a", CUT]))
            was_sent = accepted(a) - before
            assert was_sent == 1 or cut
            expected = [CUT] * was_sent + [text(number, index) for index in range(AFTER)]
            for index in range(AFTER):
                a.send([b"a", text(number, index)], DEADLINE_S)
            assert [b.recv(DEADLINE_S)[0] for _ in expected] == expected
            return steps

        every_step(run)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("verb", ["send", "try_send"])
def test_rep_send(verb: str, error: type[BaseException]) -> None:
    """It owes its reply, or has sent it; never neither, never both."""
    with pair(Req(), Rep()) as (req, rep):

        def run(number: int) -> Steps:
            steps = Steps(number, raiser(error))
            req.send(b"question", DEADLINE_S)
            assert rep.recv(DEADLINE_S) == (b"question",)
            cut = interrupted(steps, lambda: getattr(rep, verb)(CUT))
            if rep.owes_reply:
                assert cut
                rep.send(b"again", DEADLINE_S)
                assert req.recv(DEADLINE_S) == (b"again",)
            else:
                with pytest.raises(StateError):
                    rep.send(b"twice")
                assert req.recv(DEADLINE_S) == (CUT,)
            assert rep.statistics().dropped == 0
            return steps

        every_step(run)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("verb", ["recv", "try_recv"])
def test_rep_recv(verb: str, error: type[BaseException]) -> None:
    """It owes nothing, and the request is still there; or it was received."""
    with pair(Dealer(), Rep()) as (dealer, rep):

        def run(number: int) -> Steps:
            steps = Steps(number, raiser(error))
            for index in range(2):
                dealer.send([b"", text(number, index)], DEADLINE_S)
            wait_until(lambda: rep.statistics().inbox == 2, "both are there")
            got: list[bytes] = []
            cut = interrupted(steps, lambda: got.append(getattr(rep, verb)()[0]))
            assert rep.owes_reply != cut
            assert len(got) == (not cut)
            for index in range(2):
                if len(got) <= index:
                    got.append(rep.recv(DEADLINE_S)[0])
                rep.send(got[index], DEADLINE_S)
                assert dealer.recv(DEADLINE_S) == (b"", text(number, index))
            return steps

        every_step(run)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("verb", ["send", "try_send"])
def test_req_send(verb: str, error: type[BaseException]) -> None:
    with pair(Req(), Rep()) as (req, rep):

        def run(number: int) -> Steps:
            steps = Steps(number, raiser(error))
            cut = interrupted(steps, lambda: getattr(req, verb)(CUT))
            assert req.is_waiting or cut
            if req.is_waiting:
                assert rep.recv(DEADLINE_S) == (CUT,)
                rep.send(b"old", DEADLINE_S)
            req.send(text(number, 0), DEADLINE_S)
            assert rep.recv(DEADLINE_S) == (text(number, 0),)
            rep.send(text(number, 1), DEADLINE_S)
            assert req.recv(DEADLINE_S) == (text(number, 1),)
            assert not req.is_waiting
            return steps

        every_step(run)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("verb", ["recv", "try_recv"])
def test_req_recv(verb: str, error: type[BaseException]) -> None:
    with pair(Req(), Rep()) as (req, rep):

        def run(number: int) -> Steps:
            steps = Steps(number, raiser(error))
            received = req.statistics().received
            req.send(b"question", DEADLINE_S)
            assert rep.recv(DEADLINE_S) == (b"question",)
            rep.send(text(number, 0), DEADLINE_S)
            wait_until(lambda: req.statistics().received > received, "it is there")
            got: list[bytes] = []
            cut = interrupted(steps, lambda: got.append(getattr(req, verb)()[0]))
            assert req.is_waiting == cut
            if cut:
                got.append(req.recv(DEADLINE_S)[0])
            assert got == [text(number, 0)]
            return steps

        every_step(run)


@pytest.mark.parametrize("error", ERRORS)
def test_bind_connect_and_subscribe(error: type[BaseException]) -> None:
    """Done or not, and never half: what was interrupted can be done again, and then works."""

    def run(number: int) -> Steps:
        with untraced(), Dealer() as a, Dealer() as b:
            steps = Steps(number, raiser(error))
            endpoints: list[str] = []
            cut = interrupted(steps, lambda: endpoints.append(a.bind("ipc://*")))
            if cut:
                endpoints.append(a.bind("ipc://*"))
            cut = interrupted(Steps(number, raiser(error)), lambda: b.connect(endpoints[0]))
            if cut and not b._actor.core.dials:
                b.connect(endpoints[0])
            assert len(b._actor.core.dials) == 1
            b.send(b"hello", DEADLINE_S)
            assert a.recv(DEADLINE_S) == (b"hello",)
            return steps

    every_step(run)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("verb", ["drain", "close"])
def test_an_end_that_is_interrupted_goes_on(verb: str, error: type[BaseException]) -> None:
    with untraced(), Pull() as pull:
        endpoint = pull.bind("ipc://*")

        def run(number: int) -> Steps:
            steps = Steps(number, raiser(error))
            push = Push()
            push.connect(endpoint)
            for index in range(AFTER):
                push.send(text(number, index), DEADLINE_S)
            interrupted(steps, lambda: getattr(push, verb)(DEADLINE_S))
            getattr(push, verb)(DEADLINE_S)
            push.close()
            assert [pull.recv(DEADLINE_S)[0] for _ in range(AFTER)] == [
                text(number, index) for index in range(AFTER)
            ]
            return steps

        every_step(run)


def test_threads_that_send_and_receive_at_once_lose_and_double_nothing() -> None:
    """Four of each, with little room."""
    limits = Limits(outbox_messages=20, inbox_messages=20)
    count, threads = 2_000, 4
    got: list[list[bytes]] = [[] for _ in range(threads)]
    with untraced(), pair(Push(limits=limits), Pull(limits=limits)) as (push, pull):

        def send(who: int) -> None:
            for number in range(count):
                push.send([b"%d" % who, b"%d" % number], DEADLINE_S)

        def receive(who: int) -> None:
            while (message := pull.recv(DEADLINE_S)) != (b"end",):
                got[who].append(b" ".join(message))

        senders = [threading.Thread(target=send, args=(who,)) for who in range(threads)]
        receivers = [threading.Thread(target=receive, args=(who,)) for who in range(threads)]
        for thread in senders + receivers:
            thread.start()
        for thread in senders:
            thread.join(DEADLINE_S)
        for _ in receivers:
            push.send(b"end", DEADLINE_S)
        for thread in receivers:
            thread.join(DEADLINE_S)
    everything = sorted(one for part in got for one in part)
    assert everything == sorted(b"%d %d" % (w, n) for w in range(threads) for n in range(count))
    for part in got:
        for who in range(threads):
            numbers = [int(one.split()[1]) for one in part if one.startswith(b"%d " % who)]
            assert numbers == sorted(numbers)
