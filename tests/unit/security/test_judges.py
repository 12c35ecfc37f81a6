"""Threads that judge: bounded, and no hung check keeps the others from being judged."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import pytest

from fanout.security.endpoints import Plain
from fanout.security.judges import HUNG_MAX, THREADS_MAX, Judges
from fanout.security.verdicts import CHECK_TIMEOUT, OVERDUE, Allow, Later, Request
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fanout.security.awaited import ChecksEnd
    from fanout.security.verdicts import Verdict


def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    wait_until(condition, "the judges")


def request(subscriber: int, user: str = "desk7") -> Request:
    return Request(subscriber, "127.0.0.1:5", "tcp://x", "PLAIN", user, "geheim")


class Court:
    """Checks that hang until they are let go, if the user is "slow" or "flood"; what was found."""

    def __init__(self) -> None:
        self.judges = Judges()
        self.released = threading.Event()
        self.is_fair = threading.Event()
        self.entered = 0
        self.found: dict[int, tuple[Verdict, str]] = {}
        self.security = Plain(self.check)

    def check(self, asked: Request) -> bool:
        self.entered += 1
        if asked.username == "slow":
            self.released.wait()
        if asked.username == "flood":
            self.is_fair.wait()
        if asked.username == "bad":
            raise ValueError(asked.password)
        if asked.username == "exit":
            raise SystemExit
        if asked.username == "forgets":
            return None  # type: ignore[return-value]  # the mistake
        return True

    def submit(self, subscriber: int, user: str = "desk7") -> None:
        self.judges.submit(self.security, request(subscriber, user), self.done)

    def done(self, asked: Request, verdict: Verdict, failure: str) -> None:
        assert asked.subscriber not in self.found
        self.found[asked.subscriber] = verdict, failure


@pytest.fixture
def court() -> Iterator[Court]:
    court = Court()
    yield court
    court.released.set()
    court.is_fair.set()
    court.judges.end()
    until(lambda: not court.judges._threads and not court.judges._hung)


def threads() -> int:
    return sum(one.name == "fanout-auth" for one in threading.enumerate())


def test_who_returns_nothing_is_told_what_to_return_and_no_line_of_ours(court: Court) -> None:
    court.submit(1, "forgets")
    until(lambda: 1 in court.found)
    verdict, failure = court.found[1]
    assert failure == (
        "the check of a request failed: it returned None, and must return auth.Allow(…), "
        "auth.Deny(…) or auth.Later(…), or True or False"
    )
    assert verdict == Later(failure)


def test_no_thread_before_somebody_is_to_be_judged(court: Court) -> None:
    assert threads() == 0
    for subscriber in range(50):
        court.submit(subscriber)
    until(lambda: len(court.found) == 50)
    assert set(court.found.values()) == {(Allow(), "")}
    assert 1 <= threads() <= THREADS_MAX


@pytest.mark.parametrize("user", ["bad", "exit"])
def test_what_raises_puts_off_and_says_nothing_secret(court: Court, user: str) -> None:
    court.submit(1, user)
    until(lambda: 1 in court.found)
    verdict, failure = court.found[1]
    name = "ValueError" if user == "bad" else "SystemExit"
    assert failure.startswith(f"the check of a request failed: {name} in ")
    assert "test_judges.py" in failure
    assert verdict == Later(failure)
    assert "geheim" not in failure
    court.submit(2)
    until(lambda: 2 in court.found)


def test_others_are_judged_while_checks_hang(court: Court) -> None:
    for subscriber in range(THREADS_MAX):
        court.submit(subscriber, "slow")
    until(lambda: court.entered == THREADS_MAX)
    court.submit(10)
    for subscriber in range(THREADS_MAX):
        court.judges.give_up(subscriber)
    until(lambda: 10 in court.found)
    assert court.judges.hung == THREADS_MAX == HUNG_MAX
    court.released.set()
    until(lambda: court.judges.hung == 0)
    assert list(court.found) == [10], "what was given up is not told of"


def test_there_is_a_bound_for_those_that_hang(court: Court) -> None:
    for subscriber in range(HUNG_MAX + THREADS_MAX):
        court.submit(subscriber, "slow")
    until(lambda: court.entered == THREADS_MAX)
    for subscriber in range(HUNG_MAX):
        court.judges.give_up(subscriber)
    until(lambda: court.entered == HUNG_MAX + THREADS_MAX)
    court.submit(20)
    for subscriber in range(HUNG_MAX, HUNG_MAX + THREADS_MAX):
        court.judges.give_up(subscriber)
    assert threads() == HUNG_MAX + THREADS_MAX
    court.judges.give_up(20)
    court.submit(21)
    court.released.set()
    until(lambda: 21 in court.found)
    assert list(court.found) == [21]


def test_who_waits_may_be_given_up(court: Court) -> None:
    for subscriber in range(THREADS_MAX):
        court.submit(subscriber, "slow")
    court.submit(10)
    court.submit(11)
    court.judges.give_up(10)
    court.released.set()
    until(lambda: 11 in court.found)
    assert 10 not in court.found


def test_after_its_end_nobody_is_judged(court: Court) -> None:
    court.submit(1, "slow")
    until(lambda: court.entered == 1)
    court.judges.end()
    court.submit(2)
    court.released.set()
    until(lambda: threads() == 0)
    assert court.found == {}


def test_who_is_gone_is_not_judged_any_more(court: Court) -> None:
    """A stranger may come and leave again and again: nothing is left of it that others wait for."""
    for subscriber in range(THREADS_MAX):
        court.submit(subscriber, "slow")
    until(lambda: court.entered == THREADS_MAX)
    for subscriber in range(100, 200):
        court.submit(subscriber)
        court.judges.withdraw(subscriber)
    court.judges.withdraw(0)  # its check has begun, and goes on
    assert court.judges.hung == 0
    court.submit(10)
    court.released.set()
    until(lambda: 10 in court.found)
    assert court.entered == THREADS_MAX + 1


def test_no_address_waits_behind_all_of_another_one(court: Court) -> None:
    for subscriber in range(THREADS_MAX):
        court.submit(subscriber, "slow")
    until(lambda: court.entered == THREADS_MAX)
    for subscriber in range(100, 200):
        flood = request(subscriber, "flood")
        court.judges.submit(court.security, flood, court.done, "203.0.113.7")
    court.judges.submit(court.security, request(10), court.done, "203.0.113.8")
    court.released.set()
    until(lambda: 10 in court.found)
    assert not set(court.found) & set(range(100, 200)), "all of them hang"
    court.is_fair.set()
    until(lambda: len(court.found) == THREADS_MAX + 101)


def test_what_hangs_is_given_up_though_its_peer_has_left(court: Court) -> None:
    for subscriber in range(THREADS_MAX):
        court.submit(subscriber, "slow")
    until(lambda: court.entered == THREADS_MAX)
    for subscriber in range(THREADS_MAX):
        court.judges.withdraw(subscriber)
        court.judges.give_up(subscriber)
    court.submit(10)
    until(lambda: 10 in court.found)


def test_an_awaited_check_is_cancelled_in_its_time_and_its_thread_goes_on() -> None:
    judges, found, ended = Judges(seconds=0.5), {}, []

    async def check(asked: Request) -> bool:
        if asked.username == "slow":
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(asked.subscriber)
        return True

    def done(asked: Request, verdict: Verdict, failure: str) -> None:
        found[asked.subscriber] = verdict, failure

    for subscriber in range(2 * THREADS_MAX):
        judges.submit(Plain(check), request(subscriber, "slow"), done)
    until(lambda: len(found) == 2 * THREADS_MAX)
    assert set(found.values()) == {(Later(OVERDUE), OVERDUE)}
    assert set(ended) >= set(range(THREADS_MAX)), "the others may have been late from the beginning"
    assert judges.hung == 0
    judges.end()
    until(lambda: not judges._threads)


def test_its_end_cancels_what_is_awaited() -> None:
    judges, entered, ended = Judges(seconds=10 * DEADLINE_S), [], []

    async def check(asked: Request) -> bool:
        entered.append(asked.subscriber)
        try:
            return await asyncio.Event().wait()
        finally:
            ended.append(asked.subscriber)

    def done(asked: Request, verdict: Verdict, failure: str) -> None:
        raise AssertionError("nobody is to be told")

    for subscriber in range(THREADS_MAX):
        judges.submit(Plain(check), request(subscriber), done)
    until(lambda: len(entered) == THREADS_MAX)
    judges.end()
    until(lambda: not judges._threads)
    assert sorted(ended) == sorted(entered)


def test_the_time_in_line_counts(court: Court) -> None:
    left: list[float] = []

    class Noting(Plain):
        def judge(
            self,
            request: Request,
            seconds: float = CHECK_TIMEOUT,
            ending: ChecksEnd | None = None,
        ) -> Verdict:
            left.append(seconds)
            return super().judge(request, seconds, ending)

    for subscriber in range(THREADS_MAX):
        court.submit(subscriber, "slow")
    since = time.monotonic()
    court.judges.submit(Noting(court.check), request(10), court.done)
    until(lambda: time.monotonic() - since > 0.1)
    court.released.set()
    until(lambda: 10 in court.found)
    assert left[0] < CHECK_TIMEOUT - 0.05
