"""PoisonGuard: settle what is proven to be whole or not begun, refuse the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout.errors import PoisonedError
from fanout.poison import PoisonGuard
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
    return PoisonGuard(log.segment.words, log.writer)


@pytest.mark.parametrize("published", [0, 1, 15, 16, 17, 40])
def test_a_send_that_did_not_commit_is_rolled_back(log: Log, published: int) -> None:
    for _ in range(published):
        log.publish(b"A", b"one")
    words, guard = log.segment.words, guard_of(log)
    words[at.H_POISON] = published + 1
    log.segment.words[log.segment.layout.ends // at.WORD + published % 16] = 1 << 60  # half of it

    before = guard.poisoned
    guard.settle()

    assert (before, guard.poisoned) == (True, False)
    assert log.publish(b"A", b"two") == published
    assert log.reader.topic_ids(published, published + 1) == [0]


def test_a_send_that_committed_is_not_undone(log: Log) -> None:
    sequence = log.publish(b"A", b"one")
    log.segment.words[at.H_POISON] = sequence + 1

    guard_of(log).settle()

    assert log.segment.words[at.H_POISON] == 0
    assert log.writer.head == sequence + 1


def test_a_flag_for_a_message_far_ahead_is_not_settled(log: Log) -> None:
    log.publish(b"A", b"one")
    log.segment.words[at.H_POISON] = 9

    guard = guard_of(log)
    guard.settle()

    assert guard.poisoned
    assert "message 8 was interrupted" in str(guard.error())
    assert "recover()" in str(guard.error())


def test_recover_rolls_back_to_the_last_commit(log: Log) -> None:
    log.publish(b"A", b"one")
    log.segment.words[at.H_POISON] = 9
    guard = guard_of(log)

    guard.recover()
    guard.recover()

    assert not guard.poisoned
    assert log.publish(b"A", b"two") == 1


def test_recover_says_that_the_log_is_damaged(log: Log) -> None:
    log.publish(b"A", b"one")
    log.publish(b"A", b"two")
    log.segment.words[log.segment.layout.ends // at.WORD] = 1 << 60  # of a committed message
    log.segment.words[at.H_POISON] = 3
    guard = guard_of(log)

    guard.settle()
    with pytest.raises(PoisonedError, match="damaged at its last commit"):
        guard.recover()

    assert guard.poisoned
