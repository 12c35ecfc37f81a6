"""A publisher for who answers questions about one: a list of messages, and dicts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fanout.answers.replies import Replies
from fanout.answers.survey import Surveyor
from fanout.answers.view import Told

if TYPE_CHECKING:
    from collections.abc import Sequence


class FakeView:
    """Told what was published; message n was published n seconds after the first.

    Attributes:
        messages: all of them; None where one of no topic is.
        floor: what is gone.
        values: by topic, in the order of their places; None = one that has no place any more.
        reads: messages that were read, for who counts.
    """

    epoch = "00000000000000ab"

    def __init__(self, *messages: Sequence[bytes], keeps_values: bool = True) -> None:
        self.messages = [tuple(frames) for frames in messages]
        self.floor = 0
        self.keeps_values = keeps_values
        self.names: list[bytes] = []
        self.values: dict[bytes, int] = {}
        self.large: set[int] = set()
        self.reads = 0
        for sequence, frames in enumerate(self.messages):
            self._note(sequence, frames)

    def publish(self, *frames: bytes) -> int:
        """One more; returns its sequence."""
        self.messages.append(frames)
        self._note(len(self.messages) - 1, frames)
        return len(self.messages) - 1

    def _note(self, sequence: int, frames: Sequence[bytes]) -> None:
        if len(frames) > 1:
            if frames[0] not in self.names:
                self.names.append(frames[0])
            self.values[frames[0]] = sequence

    def head(self) -> int:
        return len(self.messages)

    def oldest(self) -> int:
        return self.floor

    def message(self, sequence: int) -> Told | None:
        if not self.floor <= sequence < len(self.messages):
            return None
        self.reads += 1
        frames = self.messages[sequence]
        size = sum(map(len, frames)) + 2 * len(frames)
        return Told(sequence, frames[0], None if sequence in self.large else frames, size)

    def topic_ids(self, first: int, stop: int) -> list[int]:
        return [
            self.names.index(frames[0]) + 1 if len(frames) > 1 else 0
            for frames in self.messages[first:stop]
        ]

    def age(self, sequence: int) -> float:
        return float(len(self.messages) - sequence)

    def window(self, seconds: float) -> tuple[int, float]:
        first = max(0, len(self.messages) - int(seconds))
        return first, float(len(self.messages) - first)

    @property
    def places(self) -> int:
        return len(self.names) + 1

    def topics_at(self, first: int, stop: int) -> list[tuple[int, bytes]]:
        return list(enumerate(self.names, 1))[first - 1 : stop - 1]

    def last(self, topic: bytes) -> Told | None:
        sequence = self.values.get(topic)
        if sequence is None:
            return None
        frames = self.messages[sequence]
        told = None if sequence in self.large else frames
        return Told(sequence, topic, told, sum(map(len, frames)))


class FakeWatch:
    """Over after so many looks."""

    def __init__(self, looks: int = 1 << 30) -> None:
        self.left = looks
        self.allowed = 0.0

    def is_over(self) -> bool:
        self.left -= 1
        return self.left < 0

    def allow(self, seconds: float) -> None:
        self.allowed = seconds


class FakeClock:
    """Stands until it is told."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def replies_of(view: FakeView, allowed: tuple[bytes, ...] | None = None) -> Replies:
    """What answers about that."""
    return Replies(view, Surveyor(view, FakeClock()), allowed)


def ask(replies: Replies, watch: FakeWatch | None = None, **question: Any) -> Any:
    """Ask in JSON; `from_` is the member `from`. Returns what is answered."""
    said = {name.rstrip("_"): value for name, value in question.items()}
    return json.loads(replies.answer(json.dumps(said).encode(), watch or FakeWatch()).data)


def ask_all(replies: Replies, name: str, looks: int = 1 << 30, **question: Any) -> list[Any]:
    """All entries of a list, over as many answers as it takes."""
    found: list[Any] = []
    for _ in range(100_000):
        answer = ask(replies, FakeWatch(looks), **question)
        found += answer[name]
        if "more" not in answer:
            return found
        assert question.get("after") != answer["more"], "it does not go on"
        question["after"] = answer["more"]
    raise AssertionError("it does not end")
