"""Verbs, compiled and in Python: whatever they are called with, they append the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from fanout.errors import FanoutError
from fanout.shm.layout import PAGE, Layout
from tests.helpers.built import needs_compiled
from tests.property.test_compiled import KEPT, SETTINGS, PathMachine, names, sizes
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


def text(name: bytes) -> str:
    """A topic as users write it; one that is no UTF-8 has none as a text either."""
    return name.decode(errors="surrogateescape")


def finished(sent: Any) -> object:
    """What a verb returns, at once or awaited."""
    return sent if isinstance(sent, int) else result_of(sent)


class VerbsMachine(PathMachine):
    """What users call, and what workers do meanwhile, twice."""

    def __init__(self) -> None:
        super().__init__()
        self.faces = {
            line: Faces(LineEngine(line, numbered=self.numbered)) for line in self.both.lines
        }

    def do(self, what: Callable[[Faces], object]) -> None:
        """Done to both, with the same result, whether or not that is an error."""

        def tried(faces: Faces) -> object:
            try:
                return what(faces)
            except (
                FanoutError,
                RuntimeError,  # it would wait, without a loop
                UnicodeEncodeError,
            ) as error:
                return type(error), str(error)

        self.both.do(lambda line: tried(self.faces[line]))

    @rule(face=faces, name=names, size=sizes, as_text=st.booleans())
    def publish(self, face: int, name: bytes, size: int, as_text: bool) -> None:
        body, topic = self.body(size), text(name) if as_text else name
        self.do(lambda faces: finished(faces.all[face].publish(topic, body)))

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
                    elif len(frames) == 2 and len(frames[1]) % 3 == 0:
                        batch.publish(text(frames[0]), frames[1])
                    elif len(frames) == 2 and len(frames[1]) % 3 == 1:
                        batch.publish(*frames)
                    else:
                        batch.send_multipart(frames)
            return batch.sequence, len(batch)

        self.do(publish)


class NumberedVerbsMachine(VerbsMachine):
    """Of a publisher with `sequence_frame`."""

    numbered = True


class KeptVerbsMachine(VerbsMachine):
    """Of one with `last_values`."""

    kept = True
    layout = KEPT


class LargeVerbsMachine(VerbsMachine):
    """Of one with a log that holds frames whose headers are in no table, and not all of them."""

    layout = Layout(16 * PAGE, 64, 1)


class LargeNumberedVerbsMachine(LargeVerbsMachine):
    """The same, of a publisher with `sequence_frame`."""

    numbered = True


@needs_compiled
class TestVerbs(VerbsMachine.TestCase):  # type: ignore[misc, valid-type]  # made at run time
    settings = SETTINGS


@needs_compiled
class TestNumberedVerbs(NumberedVerbsMachine.TestCase):  # type: ignore[misc, valid-type]
    settings = SETTINGS


@needs_compiled
class TestKeptVerbs(KeptVerbsMachine.TestCase):  # type: ignore[misc, valid-type]
    settings = SETTINGS


@needs_compiled
class TestLargeVerbs(LargeVerbsMachine.TestCase):  # type: ignore[misc, valid-type]
    settings = SETTINGS


@needs_compiled
class TestLargeNumberedVerbs(LargeNumberedVerbsMachine.TestCase):  # type: ignore[misc, valid-type]
    settings = SETTINGS
