"""Verbs, compiled and in Python: whatever they are called with, they append the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fanout.errors import FanoutError
from fanout.send.gate import BROKEN
from fanout.shm import layout as at
from fanout.shm.layout import PAGE
from fanout.shm.worker_slot import NO_TAIL
from tests.helpers.built import needs_compiled
from tests.property.test_compiled import Both, names, sizes
from tests.unit.send.faces import LineEngine, awaited_face, blocking_face, result_of

if TYPE_CHECKING:
    from collections.abc import Callable

# Most messages have a topic that is known: else no verb would be usual.
frames_of = st.tuples(names, st.lists(sizes, max_size=4))
faces = st.sampled_from([0, 1])


class Faces:
    """The publishers of one of the lines, blocking and awaited."""

    def __init__(self, engine: LineEngine) -> None:
        self.engine = engine
        self.all: list[Any] = [blocking_face(engine), awaited_face(engine)]


def finished(sent: Any) -> object:
    """What a verb returns, at once or awaited."""
    return sent if isinstance(sent, int) else result_of(sent)


class VerbsMachine(RuleBasedStateMachine):
    """What users call, and what workers do meanwhile, twice."""

    numbered = False
    kept = False

    def __init__(self) -> None:
        super().__init__()
        self.both = Both(numbered=self.numbered, kept=self.kept)
        self.faces = {
            line: Faces(LineEngine(line, numbered=self.numbered)) for line in self.both.lines
        }
        self.count = 0

    def teardown(self) -> None:
        self.both.close()

    def body(self, size: int) -> bytes:
        self.count += 1
        return (self.count.to_bytes(3, "big") * (size // 3 + 1))[:size]

    def do(self, what: Callable[[Faces], object]) -> None:
        """Done to both, with the same result, whether or not that is an error."""

        def tried(faces: Faces) -> object:
            try:
                return what(faces)
            except (
                FanoutError,
                RuntimeError,
            ) as error:  # the latter: it would wait, without a loop
                return type(error), str(error)

        self.both.do(lambda line: tried(self.faces[line]))

    @rule(face=faces, name=names, size=sizes)
    def publish(self, face: int, name: bytes, size: int) -> None:
        body = self.body(size)
        self.do(lambda faces: finished(faces.all[face].publish(name, body)))

    @rule(face=faces, size=sizes, first=st.sampled_from([b"", b"\0", b"\0fanout.", b"t"]))
    def send(self, face: int, size: int, first: bytes) -> None:
        frame = first + self.body(size)
        self.do(lambda faces: finished(faces.all[face].send(frame)))

    @rule(face=faces, frames=frames_of, as_tuple=st.booleans())
    def send_multipart(self, face: int, frames: tuple[bytes, list[int]], as_tuple: bool) -> None:
        given: Any = [frames[0], *map(self.body, frames[1])]
        given = tuple(given) if as_tuple else given
        self.do(lambda faces: finished(faces.all[face].send_multipart(given)))

    @rule(messages=st.lists(frames_of, max_size=18))
    def batch(self, messages: list[tuple[bytes, list[int]]]) -> None:
        given = [[name, *map(self.body, bodies)] for name, bodies in messages]

        def publish(faces: Faces) -> object:
            with faces.all[0].batch() as batch:
                for frames in given:
                    if len(frames) == 1:
                        batch.send(*frames)
                    elif len(frames) == 2 and frames[1][:1] < b"\x80":
                        batch.publish(*frames)
                    else:
                        batch.send_multipart(frames)
            return batch.sequence, len(batch)

        self.do(publish)

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
        def poison(faces: Faces) -> None:
            path = faces.engine.path
            path._segment.words[at.H_POISON] = path.log.head + 1
            path.log.load()

        self.do(poison)

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


class NumberedVerbsMachine(VerbsMachine):
    """Of a publisher with `sequence_frame`."""

    numbered = True


class KeptVerbsMachine(VerbsMachine):
    """Of one with `last_values`."""

    kept = True


SETTINGS = settings(max_examples=30, stateful_step_count=40, deadline=None)


@needs_compiled
class TestVerbs(VerbsMachine.TestCase):  # type: ignore[misc, valid-type]  # made at run time
    settings = SETTINGS


@needs_compiled
class TestNumberedVerbs(NumberedVerbsMachine.TestCase):  # type: ignore[misc, valid-type]
    settings = SETTINGS


@needs_compiled
class TestKeptVerbs(KeptVerbsMachine.TestCase):  # type: ignore[misc, valid-type]
    settings = SETTINGS
