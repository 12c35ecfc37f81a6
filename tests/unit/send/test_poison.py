"""PoisonGuard: settle what is proven to be whole or not begun, refuse the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.errors import PoisonedError
from fanout.send.poison import PoisonGuard
from fanout.shm import layout as at
from fanout.shm.layout import PAGE, Layout
from tests.helpers.log import Log

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def log() -> Iterator[Log]:
    log = Log(Layout(PAGE, 16, 1))
    yield log
    log.segment.close()


def guard_of(log: Log) -> PoisonGuard:
    return PoisonGuard(log.writer)


def leave_flag(log: Log, head: int) -> None:
    """As a send leaves it that was interrupted before it committed `head`."""
    log.segment.words[at.H_POISON] = head
    log.writer.load()


@pytest.mark.parametrize("published", [0, 1, 15, 16, 17, 40])
def test_a_send_that_did_not_commit_is_rolled_back(log: Log, published: int) -> None:
    for _ in range(published):
        log.publish(b"A", b"one")
    guard = guard_of(log)
    leave_flag(log, published + 1)
    log.segment.words[log.segment.layout.ends // at.WORD + published % 16] = 1 << 60  # half of it

    before = guard.poisoned
    guard.settle()

    assert (before, guard.poisoned) == (True, False)
    assert log.publish(b"A", b"two") == published
    assert log.reader.topic_ids(published, published + 1) == [0]


def test_a_send_that_committed_is_not_undone(log: Log) -> None:
    sequence = log.publish(b"A", b"one")
    log.writer.following = None  # the last line of it did not run

    guard = guard_of(log)
    before = guard.poisoned
    guard.settle()

    assert (before, guard.poisoned) == (True, False)
    assert log.segment.words[at.H_POISON] == log.writer.head == sequence + 1
    assert log.publish(b"A", b"two") == sequence + 1


def test_a_batch_that_did_not_commit_is_rolled_back(log: Log) -> None:
    log.publish(b"A", b"one")
    leave_flag(log, 1 + 16)
    guard = guard_of(log)

    guard.settle()

    assert not guard.poisoned
    assert log.publish(b"A", b"two") == 1


@pytest.mark.parametrize("flag", [1, 2 + 17])
def test_a_flag_that_no_send_can_leave_is_not_settled(log: Log, flag: int) -> None:
    log.publish(b"A", b"one")
    log.publish(b"A", b"two")
    leave_flag(log, flag)

    guard = guard_of(log)
    guard.settle()

    assert guard.poisoned
    assert f"(flag {flag}, head 2): nothing from message 2 on was sent" in str(guard.error())
    assert "recover()" in str(guard.error())


def test_recover_rolls_back_to_the_last_commit(log: Log) -> None:
    log.publish(b"A", b"one")
    leave_flag(log, 99)
    guard = guard_of(log)

    guard.recover()
    guard.recover()

    assert not guard.poisoned
    assert log.publish(b"A", b"two") == 1


def test_recover_says_that_the_log_is_damaged(log: Log) -> None:
    log.publish(b"A", b"one")
    log.publish(b"A", b"two")
    log.segment.words[log.segment.layout.ends // at.WORD] = 1 << 60  # of a committed message
    leave_flag(log, 3)
    guard = guard_of(log)

    guard.settle()
    with pytest.raises(PoisonedError, match="damaged at its last commit"):
        guard.recover()

    assert guard.poisoned
