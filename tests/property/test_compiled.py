"""Compiled and Python: whatever is done with both, they answer alike and write the same memory."""

from __future__ import annotations

from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fanout.errors import FanoutError
from fanout.send.attempt import attempt_pairs
from fanout.send.gate import BROKEN
from fanout.send.topics import Topic
from fanout.send.wire import COPY_ONCE_BYTES, Encoder
from fanout.shm import layout as at
from fanout.shm import value_layout as places
from fanout.shm.layout import PAGE, Layout
from fanout.shm.log import NO_SPACE
from fanout.shm.numbered_log import NUMBER
from fanout.shm.value_layout import ValueTable
from fanout.shm.worker_slot import NO_TAIL, sleeper_byte
from fanout.zmtp.frames import encode_message
from tests.helpers.built import needs_compiled, path_type
from tests.unit.send.line import Line, collected

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.send.topics import Subject

LAYOUT = Layout(4 * PAGE, 64, 1)  # wraps often, in bytes and in messages
KEPT = Layout(4 * PAGE, 64, 1, table=ValueTable(8, 2 * PAGE))  # fewer places than topics

NAMES = [b"", b"a", b"topic", b"x" * 254, b"y" * 256, *(b"%d" % number for number in range(20))]
names = st.sampled_from(NAMES)
sizes = st.one_of(
    st.integers(0, 300),
    st.sampled_from([0, 1, 254, 255, 256, 257, 4000, COPY_ONCE_BYTES - 1, COPY_ONCE_BYTES]),
    st.sampled_from([COPY_ONCE_BYTES + 1, 2 * COPY_ONCE_BYTES]),
)
subjects = st.one_of(names, st.none())


class Both:
    """The same send path twice, over two segments.

    Args:
        numbered, kept: what their publisher was made with.
        layout: of the segments.
    """

    def __init__(self, *, numbered: bool, kept: bool, layout: Layout) -> None:
        self.numbered, self.kept = numbered, kept
        self.lines = [
            Line(layout, path_type(name, numbered=numbered, kept=kept))
            for name in ("pure", "compiled")
        ]
        self.encoders = [
            Encoder(
                line.path.topics, line.path.intern, None, in_pieces=False, numbered=self.numbered
            )
            for line in self.lines
        ]

    def do(self, what: Callable[[Line], object]) -> object:
        """Done to both, with the same result; returns it."""
        results: list[object] = []
        for line in self.lines:
            try:
                results.append(what(line))
            except FanoutError as error:
                results.append((type(error), str(error)))
        assert results[0] == results[1]
        return results[0]

    def compare(self) -> None:
        """All that was written is the same."""
        first, second = (line.segment for line in self.lines)
        layout = first.layout
        for start, count in (
            (at.H_HEAD, 1),
            (at.H_POISON, 1),
            (at.H_WANTED, 1),
            (at.H_FLOOR, 1),
            (layout.ends // at.WORD, layout.entries),
            (layout.topics // at.WORD, layout.entries),
            (layout.data // at.WORD, layout.data_bytes // at.WORD),
            *[(layout.values // at.WORD, places.COLUMNS * layout.table.places)][: self.kept],
        ):
            assert first.words[start : start + count] == second.words[start : start + count]

    def close(self) -> None:
        for line in self.lines:
            line.__exit__(None, None, None)


class PathMachine(RuleBasedStateMachine):
    """What happens to send paths whatever is sent by them, to both."""

    numbered = False
    kept = False
    layout = LAYOUT

    def __init__(self) -> None:
        super().__init__()
        self.both = Both(numbered=self.numbered, kept=self.kept, layout=self.layout)
        self.count = 0

    def teardown(self) -> None:
        self.both.close()

    def body(self, size: int) -> bytes:
        self.count += 1
        return (self.count.to_bytes(3, "big") * (size // 3 + 1))[:size]

    @rule(name=names)
    def intern(self, name: bytes) -> None:
        self.both.do(lambda line: line.path.intern(name).id)

    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        head = self.both.lines[0].path.log.head
        tail = data.draw(st.one_of(st.integers(max(0, head - 30), head), st.just(NO_TAIL)))
        self.both.do(lambda line: line.read_up_to(tail))

    @rule(size=st.integers(0, PAGE), count=st.integers(1, 16))
    def make_room(self, size: int, count: int) -> None:
        self.both.do(lambda line: line.path.make_room(size, count))

    @rule()
    def interrupt(self) -> None:
        """As a send does that is interrupted before its commit, and again while it settles."""

        def poison(line: Line) -> None:
            line.segment.words[at.H_POISON] = line.path.log.head + 1
            line.path.log.load()

        self.both.do(poison)

    @precondition(lambda self: self.both.lines[0].path.poisoned)
    @rule()
    def recover(self) -> None:
        self.both.do(lambda line: line.path.recover())

    @rule(is_broken=st.booleans())
    def break_or_mend(self, is_broken: bool) -> None:
        self.both.do(
            lambda line: line.path.gate.shut(BROKEN) if is_broken else line.path.gate.mend()
        )

    @invariant()
    def same(self) -> None:
        self.both.compare()


class CompiledMachine(PathMachine):
    """What a publisher and its workers do, to both."""

    @rule(size=sizes, subject=subjects)
    def append(self, size: int, subject: Subject) -> None:
        body = self.body(size)
        self.both.do(lambda line: line.path.append(body, subject))

    @rule(size=sizes, name=names)
    def append_encoded(self, size: int, name: bytes) -> None:
        last = [bytes(NUMBER.size)] * self.numbered
        wire = encode_message([name, self.body(size), *last])
        self.both.do(lambda line: line.path.append(wire, Topic(7, name)))

    @rule(messages=st.lists(st.tuples(sizes, subjects), min_size=1, max_size=20))
    def append_batch(self, messages: list[tuple[int, Subject]]) -> None:
        pairs = [(self.body(size), subject) for size, subject in messages]
        attempts = {
            line: attempt_pairs(line.path, encoder, collected(line.path, *pairs))
            for line, encoder in zip(self.both.lines, self.both.encoders, strict=True)
        }
        self.both.do(lambda line: (attempts[line].size, attempts[line].count))
        self.both.do(lambda line: attempts[line].append())

    @precondition(lambda self: not self.numbered)  # there each message gets a frame more first
    @rule(messages=st.lists(st.tuples(sizes, names), min_size=1, max_size=20))
    def append_joined(self, messages: list[tuple[int, bytes]]) -> None:
        wires = [encode_message([name, self.body(size)]) for size, name in messages]
        ends = list(accumulate(map(len, wires)))
        data = memoryview(b"".join(wires))

        def append(line: Line) -> int:
            topics = [line.path.intern(name) for _, name in messages]
            return line.path.append_joined(data, ends, topics)

        self.both.do(append)

    @rule(is_asleep=st.booleans())
    def sleep(self, is_asleep: bool) -> None:
        def set_byte(line: Line) -> None:
            sleeper_byte(line.segment, 0)[0] = is_asleep

        self.both.do(set_byte)


class NumberedMachine(CompiledMachine):
    """Of a publisher with `sequence_frame`."""

    numbered = True


class KeptMachine(CompiledMachine):
    """Of one with `last_values`."""

    kept = True
    layout = KEPT


class NumberedKeptMachine(KeptMachine):
    """Of one with both, as `fanout serve` may have it."""

    numbered = True


SETTINGS = settings(max_examples=30, stateful_step_count=40, deadline=None)


@needs_compiled
class TestCompiled(CompiledMachine.TestCase):  # type: ignore[misc, valid-type]  # made at run time
    settings = SETTINGS


@needs_compiled
class TestNumbered(NumberedMachine.TestCase):  # type: ignore[misc, valid-type]
    settings = SETTINGS


@needs_compiled
class TestKept(KeptMachine.TestCase):  # type: ignore[misc, valid-type]
    settings = SETTINGS


@needs_compiled
class TestNumberedKept(NumberedKeptMachine.TestCase):  # type: ignore[misc, valid-type]
    settings = SETTINGS


def _send(number: int, line: Line) -> int:
    """One of many messages, with room made for it where there is none."""
    name, body = NAMES[number % 5], number.to_bytes(2, "big") * (number % 120)
    line.path.intern(name)
    sequence = line.path.append(body, name)
    if sequence == NO_SPACE:
        line.path.make_room(PAGE, 4)
        sequence = line.path.append(body, name)
    return sequence


@needs_compiled
@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("numbered", [False, True])
def test_both_write_around_the_end(numbered: bool, kept: bool) -> None:
    """Many laps of the log, in bytes and in messages, whatever hypothesis finds."""
    both = Both(numbered=numbered, kept=kept, layout=KEPT if kept else LAYOUT)
    for number in range(3000):
        both.do(partial(_send, number))
    assert both.lines[0].path.log.head == 3000
    both.compare()
    both.close()
