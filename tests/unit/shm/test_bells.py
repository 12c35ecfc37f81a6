"""Bells: a worker that sleeps is woken once for each sleep, one that does not is left alone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from fanout.shm import bells as bells_module
from fanout.shm.bells import Bell, Bells, wake_all
from fanout.shm.doorbell import Doorbell
from fanout.shm.segment import Segment
from fanout.shm.worker_slot import ASLEEP, HOLDING, HOLDS, WorkerSlot, sleeper_byte
from tests.helpers.log import SMALL

if TYPE_CHECKING:
    from collections.abc import Iterator


class Sleeper:
    """A worker's slot and doorbell, and the publisher's bell for it."""

    def __init__(self, segment: Segment, index: int) -> None:
        self.slot = WorkerSlot(segment, index)
        self.byte = sleeper_byte(segment, index)
        self.doorbell = Doorbell()
        self.bell = Bell(segment, index, self.doorbell)

    def sleep(self, number: int) -> None:
        self.slot.fall_asleep(number)

    def woken(self) -> bool:
        return self.doorbell.wait(0)


@pytest.fixture
def sleepers() -> Iterator[list[Sleeper]]:
    segment = Segment.create(SMALL)
    sleepers = [Sleeper(segment, index) for index in range(3)]
    yield sleepers
    for sleeper in sleepers:
        sleeper.doorbell.close()
    segment.close()


def test_who_is_awake_is_not_rung(sleepers: list[Sleeper]) -> None:
    sleepers[0].bell.wake()

    assert not sleepers[0].woken()


def test_who_holds_the_publisher_up_is_rung_for_and_holds_the_log(
    sleepers: list[Sleeper],
) -> None:
    held: list[int] = []
    for index, sleeper in enumerate(sleepers):
        sleeper.bell.hold = partial(held.append, index)
    for number, sleeper in zip((1, 1 | HOLDS), sleepers, strict=False):
        sleeper.sleep(number)
        sleeper.bell.wake()
        sleeper.bell.wake()

    assert [sleeper.woken() for sleeper in sleepers] == [True, True, False]
    assert held == [1]


def test_one_sleep_is_one_ring(sleepers: list[Sleeper]) -> None:
    sleeper = sleepers[0]
    sleeper.sleep(1)
    sleeper.bell.wake()
    first = sleeper.woken()
    sleeper.bell.wake()
    second = sleeper.woken()
    sleeper.sleep(2)
    sleeper.bell.wake()

    assert (first, second, sleeper.woken()) == (True, False, True)


def test_who_was_rung_is_no_sleeper_any_more(sleepers: list[Sleeper]) -> None:
    """It may take long until the worker says so itself, and every publish() would look at it."""
    sleeper = sleepers[0]
    sleeper.sleep(1)
    sleeper.bell.wake()

    assert sleeper.byte[0] == 0


@pytest.mark.parametrize(("number", "byte"), [(1, ASLEEP), (1 | HOLDS, HOLDING)])
def test_who_could_not_be_rung_still_sleeps(
    sleepers: list[Sleeper], number: int, byte: int
) -> None:
    sleeper = sleepers[0]
    sleeper.sleep(number)
    with (
        mock.patch.object(Doorbell, "ring", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        sleeper.bell.wake()

    assert sleeper.byte[0] == byte
    sleeper.bell.wake()
    assert sleeper.woken()


def test_in_any_case_means_in_any_case(sleepers: list[Sleeper]) -> None:
    sleepers[0].bell.ring()

    assert sleepers[0].woken()


def test_all_sleepers_are_woken_and_nobody_else(sleepers: list[Sleeper]) -> None:
    sleepers[0].sleep(5)
    sleepers[2].sleep(1)

    wake_all(sleeper.bell for sleeper in sleepers)

    assert [sleeper.woken() for sleeper in sleepers] == [True, False, True]


def test_a_signal_handler_that_wants_more_bells_while_some_are_made_doubles_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    segment = Segment.create(SMALL)
    bells = Bells(segment)
    made: list[None] = []

    def interrupted() -> Doorbell:
        made.append(None)
        if len(made) == 1:
            bells.enlarge(2)
        return Doorbell()

    monkeypatch.setattr(bells_module, "Doorbell", interrupted)
    bells.enlarge(3)
    for index, bell in enumerate(bells.all):
        WorkerSlot(segment, index).fall_asleep(1)
        bell.wake()
        assert bell.doorbell.wait(0), "it rings for the worker in whose place it is"
    assert len(bells.all) == 3
    bells.close()
    segment.close()
