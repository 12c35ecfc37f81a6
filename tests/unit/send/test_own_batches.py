"""Who publishes beside his own batch is told so; whoever else does is not."""

from __future__ import annotations

import gc
import warnings
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

from fanout.send.own_batches import OwnBatches, _Outer


class Block:
    """Stands for a batch, of which only its being there matters: it is empty, and has no name."""

    _is_over = False

    def __len__(self) -> int:
        return 0


class Path:
    """What a publisher sends by while no batch is open."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def append(self, body: bytes, _subject: object) -> int:
        self.sent.append(body)
        return len(self.sent) - 1


def make_batch(_own: OwnBatches[Block], _timeout: float | None) -> Block:
    return Block()


def commit(_attempt: object, _timeout: float | None) -> int:
    raise AssertionError("nothing is committed here")


class World:
    """A publisher with its open batches, and whoever runs now."""

    __slots__ = ("__weakref__", "_path", "own", "path", "who")

    def __init__(self) -> None:
        self.who = "first"
        self.path = Path()
        self._path: object = self.path
        rules: Any = SimpleNamespace(path=self.path)
        self.own = OwnBatches(
            weakref.ref(self), self.path, lambda: self.who, make_batch, rules, commit
        )

    def sends_by(self, what: object) -> bool:
        return self._path is what

    def is_warned(self) -> bool:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert self.own.append(b"x", None) == len(self.path.sent) - 1
        return bool(caught)


def test_who_has_a_batch_open_is_warned_and_the_message_is_sent() -> None:
    world, block = World(), Block()
    assert not world.is_warned()
    assert world.own.begin(block) == "first"
    assert world.sends_by(world.own)
    assert world.is_warned()
    world.who = "second"
    assert not world.is_warned()
    world.own.end(block, "first")  # by whomever
    world.who = "first"
    assert not world.is_warned()
    assert world.sends_by(world.path)
    assert len(world.path.sent) == 4


def test_it_stays_switched_while_another_batch_is_open() -> None:
    world, first, second = World(), Block(), Block()
    world.own.begin(first)
    world.who = "second"
    world.own.begin(second)
    world.own.end(first, "first")
    assert world.sends_by(world.own)
    assert world.is_warned()
    world.own.end(second, "second")
    assert world.sends_by(world.path)


def test_a_batch_that_is_gone_without_its_end_is_not_open() -> None:
    world, block = World(), Block()
    world.own.begin(block)
    del block
    gc.collect()
    assert not world.is_warned()
    other = Block()
    world.own.begin(other)
    world.own.end(other, "first")
    assert world.sends_by(world.path)


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
    assert world.sends_by(world.path)


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
        assert world.sends_by(world.own)
        world.own.end(ends, "first")
    assert not world.is_warned()
    assert world.sends_by(world.path)


def test_a_warning_that_raises_leaves_the_inner_one_unbegun() -> None:
    world, outer, inner = World(), Block(), Block()
    world.own.begin(outer)
    with pytest.raises(RuntimeWarning):
        world.own.begin(inner)
    world.own.end(outer, "first")
    assert not world.is_warned()


def test_who_begins_while_another_ends_is_switched_on() -> None:
    """In another thread, after the first has looked, and before it has switched off."""
    world, block, others = World(), Block(), [Block()]
    world.own.begin(block)
    switch = world.own._switch

    def cross(publisher: object, sends: object) -> None:
        if sends is world.path and others:
            world.who = "second"
            kept.append(others.pop())
            world.own.begin(kept[0])
        switch(publisher, sends)

    kept: list[Block] = []
    world.own._switch = cross
    world.own.end(block, "first")
    assert world.sends_by(world.own)
    world.own.end(kept[0], "second")
    assert world.sends_by(world.path)


def test_what_is_sent_by_changes_at_once_or_after_the_last_batch() -> None:
    world, block, other = World(), Block(), Path()
    world.own.send_by(other)
    assert (world.sends_by(other), world.own.is_usual) == (True, False)
    world.own.begin(block)
    world.own.send_by(world.path)
    assert world.sends_by(world.own)
    assert world.is_warned()
    assert (world.path.sent, other.sent) == ([b"x"], [])
    world.own.end(block, "first")
    assert (world.sends_by(world.path), world.own.is_usual) == (True, True)


def test_without_a_loop_nobody_is_somebody_too() -> None:
    """A coroutine may be driven by hand."""
    world, block = World(), Block()

    def nobody() -> str:
        raise RuntimeError("no running event loop")

    world.own._who = nobody
    assert world.own.begin(block) is None
    assert world.is_warned()
    world.own.end(block, None)
    assert not world.is_warned()


def test_it_keeps_no_publisher() -> None:
    world = World()
    own, gone = world.own, weakref.ref(world)
    block = Block()
    own.begin(block)
    own._who = lambda: "first"  # that of the world refers to it
    del world
    assert gone() is None
    own.end(block, "first")
    own.send_by(Path())


class Raced(dict[object, Any]):
    """Open batches of which another thread puts the outer ones back, just as we have looked."""

    def copy(self) -> dict[object, Any]:
        copy = dict(self)
        for who in copy:
            if isinstance(who, _Outer):
                super().pop(who)
        return copy


def test_who_ends_a_batch_while_another_thread_puts_his_back_ends_it() -> None:
    world = World()
    outer, inner, other = Block(), Block(), Block()
    began = world.own.begin(outer)
    with pytest.warns(RuntimeWarning):
        world.own.begin(inner)
    world.own._open = Raced(world.own._open)
    world.who = "second"
    theirs = world.own.begin(other)
    world.own.end(inner, began)
    world.own.end(other, theirs)
    world.own.end(outer, None)
    assert world.sends_by(world.path)


def test_the_first_message_looks_whether_it_is_awaited() -> None:
    """As the publisher's verbs call it; see `tests/unit/terms/test_awaiting.py`."""
    world, block = World(), Block()
    world.own.look_at_first()
    assert world.sends_by(world.own)
    assert world.own.append(b"x", None) == 0
    assert world.sends_by(world.path)
    assert world.path.sent == [b"x"]
    world.own.look_at_first()
    world.own.begin(block)
    assert world.is_warned()
    assert world.sends_by(world.own), "a batch is open"
    world.own.end(block, "first")
    assert world.sends_by(world.path)
