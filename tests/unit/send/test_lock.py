"""The send lock: nested, left locked by this thread, and lost by another."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from fanout.errors import ForkedError, NestedSendError, PoisonedError
from fanout.send import lock as locks
from fanout.send.gate import FORKED, Gate
from fanout.send.lock import SendLock, holds_lock
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "LOCK_LOOK", 0.002)


@holds_lock
def send(lock: SendLock, inside: Callable[[], object] = lambda: None) -> None:
    """As a send does it."""
    current = lock.current
    if current._is_owned():
        lock.refuse_nested()
    try:
        if not current.acquire(False):
            current = lock.acquire_slowly()
        inside()
    finally:
        if current._is_owned():
            current.release()


def lose(lock: SendLock) -> None:
    """Leave it locked by a thread that is no more."""
    thread = threading.Thread(target=lock.current.acquire)
    thread.start()
    thread.join()


def test_a_send_inside_a_send_is_refused_and_the_outer_goes_on() -> None:
    lock = SendLock(Gate())
    went_on: list[bool] = []

    def nested() -> None:
        with pytest.raises(NestedSendError):
            send(lock)
        went_on.append(lock.current._is_owned())

    send(lock, nested)

    assert went_on == [True]
    assert not lock.current._is_owned()


class Interrupted:
    """A lock that was not free at once, and whose thread is interrupted as soon as it has it."""

    def __init__(self, handler: Callable[[], object]) -> None:
        self._lock = threading.RLock()
        self._handler = handler
        self._interruptions = 1

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if not blocking and self._interruptions:
            return False
        taken = self._lock.acquire(blocking, timeout)
        if self._interruptions:
            self._interruptions = 0
            self._handler()
        return taken

    def release(self) -> None:
        self._lock.release()

    def _is_owned(self) -> bool:
        return self._lock._is_owned()  # type: ignore[attr-defined, no-any-return]


def test_a_send_that_has_just_waited_for_the_lock_keeps_it_when_a_handler_sends() -> None:
    lock = SendLock(Gate())
    refused: list[bool] = []

    def handler() -> None:
        with pytest.raises(NestedSendError):
            send(lock)
        refused.append(True)

    lock.current = current = Interrupted(handler)
    owned: list[bool] = []

    send(lock, lambda: owned.append(current._is_owned()))

    assert (refused, owned) == ([True], [True])
    assert not current._is_owned()


def test_what_this_thread_has_left_locked_it_takes_again() -> None:
    lock = SendLock(Gate())
    lock.current.acquire()

    send(lock)

    assert not lock.current._is_owned()


def test_a_lost_lock_is_noticed_and_replaced_only_to_mend() -> None:
    lock = SendLock(Gate())
    lost = lock.current
    lose(lock)

    with pytest.raises(PoisonedError, match="recover"):
        lock.acquire_slowly()
    assert lock.current is lost
    taken = lock.acquire_slowly(mending=True)

    assert taken is lock.current is not lost
    assert taken._is_owned()


def test_a_lock_that_somebody_holds_for_long_is_not_lost() -> None:
    lock = SendLock(Gate())
    inside, leave = threading.Event(), threading.Event()

    def stay() -> None:
        inside.set()
        leave.wait(DEADLINE_S)

    thread = threading.Thread(target=lambda: send(lock, stay))
    thread.start()
    inside.wait(DEADLINE_S)
    before = lock.current
    threading.Timer(0.1, leave.set).start()  # far more looks than it takes to call a lock lost

    taken = lock.acquire_slowly(mending=True)

    thread.join()
    assert taken is before
    taken.release()


class Slow:
    """A lock whose thread has it, and does not get on for a while."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._is_first = True
        self.taken, self.go_on = threading.Event(), threading.Event()

    def __repr__(self) -> str:
        return repr(self._lock)

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if not blocking:
            return False
        taken = self._lock.acquire(blocking, timeout)
        if self._is_first:
            self._is_first = False
            self.taken.set()
            self.go_on.wait(DEADLINE_S)
        return taken

    def release(self) -> None:
        self._lock.release()

    def _is_owned(self) -> bool:
        return self._lock._is_owned()  # type: ignore[attr-defined, no-any-return]


def test_a_lock_is_not_lost_whose_thread_is_slow_to_see_that_it_has_it() -> None:
    lock = SendLock(Gate())
    lock.current = slow = Slow()
    thread = threading.Thread(target=lambda: send(lock))
    thread.start()
    slow.taken.wait(DEADLINE_S)
    threading.Timer(0.1, slow.go_on.set).start()  # far more looks than it takes to call it lost

    taken = lock.acquire_slowly(mending=True)

    thread.join()
    assert taken is slow
    taken.release()


def test_a_lock_is_not_lost_that_nobody_owns() -> None:
    class Late:
        """A lock that its thread has got, but does not own yet."""

        def __init__(self) -> None:
            self.tries = 0

        def __repr__(self) -> str:
            return repr(threading.RLock())

        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
            self.tries += 1
            return self.tries > 10 * locks.LOCK_LOOKS

        def release(self) -> None:
            raise AssertionError

        def _is_owned(self) -> bool:
            raise AssertionError

    lock = SendLock(Gate())
    lock.current = late = Late()

    assert lock.acquire_slowly(mending=True) is late


def test_in_a_fork_nobody_waits_for_it() -> None:
    gate = Gate()
    lock = SendLock(gate)
    lose(lock)
    gate.word[0] = FORKED

    with pytest.raises(ForkedError):
        lock.acquire_slowly()
