"""Who publishes beside his own batch is told so; whoever else does is not."""

from __future__ import annotations

import gc
import warnings

import pytest

from fanout.send.own_batches import OwnBatches


class Block:
    """Stands for a batch, of which only its being there matters."""


class World:
    """One publisher's open batches, with whoever runs now."""

    def __init__(self) -> None:
        self.who = "first"
        self.switched: list[bool] = []
        self.sent: list[bytes] = []
        self.own = OwnBatches(self._append, lambda: self.who, self._switch)

    def _switch(self, is_open: bool) -> None:
        self.switched.append(is_open)

    def _append(self, body: bytes, _subject: object) -> int:
        self.sent.append(body)
        return len(self.sent) - 1

    def is_warned(self) -> bool:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert self.own.append(b"x", None) == len(self.sent) - 1
        return bool(caught)


def test_who_has_a_batch_open_is_warned_and_the_message_is_sent() -> None:
    world, block = World(), Block()
    assert not world.is_warned()
    assert world.own.begin(block) == "first"
    assert world.is_warned()
    world.who = "second"
    assert not world.is_warned()
    world.own.end(block, "first")  # by whomever
    world.who = "first"
    assert not world.is_warned()
    assert world.switched == [True, False]
    assert len(world.sent) == 4


def test_it_stays_switched_while_another_batch_is_open() -> None:
    world, first, second = World(), Block(), Block()
    world.own.begin(first)
    world.who = "second"
    world.own.begin(second)
    world.own.end(first, "first")
    assert world.switched[-1]
    assert world.is_warned()
    world.own.end(second, "second")
    assert not world.switched[-1]


def test_a_batch_that_is_gone_without_its_end_is_not_open() -> None:
    world, block = World(), Block()
    world.own.begin(block)
    del block
    gc.collect()
    assert not world.is_warned()
    other = Block()
    world.own.begin(other)
    world.own.end(other, "first")
    assert world.switched[-1] is False


@pytest.mark.parametrize("began", [None, "second", "first"])
def test_an_end_takes_out_its_own_batch_whatever_is_known_of_its_beginning(began: object) -> None:
    world, inner, outer = World(), Block(), Block()
    world.own.begin(outer)
    with pytest.warns(RuntimeWarning, match="another one"):
        world.own.begin(inner)  # in the same thread, in the block of the other
    world.own.end(outer, began)
    assert world.is_warned(), "the inner one is open"
    world.own.end(inner, began)
    assert not world.is_warned()
    assert not world.switched[-1]


def test_the_warning_points_at_the_line_of_the_user() -> None:
    world, block = World(), Block()
    world.own.begin(block)
    with pytest.warns(RuntimeWarning, match="call the same on the batch") as caught:
        world.own.append(b"x", None)
    assert caught[0].filename == __file__


def test_a_batch_in_the_block_of_another_is_warned_of_and_the_outer_one_is_not_forgotten() -> None:
    world, outer, inner, innermost = World(), Block(), Block(), Block()
    world.own.begin(outer)
    for nested in (inner, innermost):
        with pytest.warns(RuntimeWarning, match="before the messages of the other") as caught:
            assert world.own.begin(nested) == "first"
        assert caught[0].filename == __file__
    world.who = "second"
    other = Block()
    world.own.begin(other)  # warnings are errors here
    world.own.end(other, "second")
    world.who = "first"
    for ends in (innermost, inner, outer):
        assert world.is_warned()
        assert world.switched[-1]
        world.own.end(ends, "first")
    assert not world.is_warned()
    assert not world.switched[-1]


def test_a_warning_that_raises_leaves_the_inner_one_unbegun() -> None:
    world, outer, inner = World(), Block(), Block()
    world.own.begin(outer)
    with pytest.raises(RuntimeWarning):
        world.own.begin(inner)
    world.own.end(outer, "first")
    assert not world.is_warned()


class Crossing(World):
    """Another thread begins a batch after the first has looked, and before it has switched off."""

    def __init__(self) -> None:
        super().__init__()
        self.other: Block | None = None

    def _switch(self, is_open: bool) -> None:
        if not is_open and self.other is None:
            self.other = Block()
            self.who = "second"
            self.own.begin(self.other)
        super()._switch(is_open)


def test_who_begins_while_another_ends_is_switched_on() -> None:
    world, block = Crossing(), Block()
    world.own.begin(block)
    world.own.end(block, "first")
    assert world.switched[-1]
    world.own.end(world.other, "second")
    assert not world.switched[-1]
