"""What an answer is made of: a publisher's state, as its shared memory has it. Pure.

`state.py` reads it; tests have one of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class Told(NamedTuple):
    """A message as it is told of."""

    sequence: int
    topic: bytes
    frames: tuple[bytes, ...] | None  # topic first; None: too large to be told
    size: int  # bytes on the wire


class UnsettledError(Exception):
    """A send was interrupted in the middle: what the last one is, is not known until `recover()`"""


class View(Protocol):
    """One publisher. All messages are committed ones; ages and windows are in seconds."""

    @property
    def epoch(self) -> str:
        """16 hex digits, others in each run."""
        ...

    @property
    def keeps_values(self) -> bool:
        """Whether there are last values."""
        ...

    def head(self) -> int:
        """Sequence of the next message."""
        ...

    def oldest(self) -> int:
        """Of the first message that can still be read for certain."""
        ...

    def message(self, sequence: int) -> Told | None:
        """One below the head; None: it is gone, or just about to be."""
        ...

    def topic_ids(self, first: int, stop: int) -> Sequence[int]:
        """The number of the topic of each of these messages, 0 = it has none.

        They are gone if `oldest` is above `first` afterwards.
        """
        ...

    def age(self, sequence: int) -> float:
        """How long ago a message was published, to about a tenth of a second."""
        ...

    def window(self, seconds: float) -> tuple[int, float]:
        """The first message since so long ago, and how long that is: about that, or since the
        publisher was started."""
        ...

    @property
    def places(self) -> int:
        """Last values are numbered from 1 up to, not including this."""
        ...

    def topics_at(self, first: int, stop: int) -> Sequence[tuple[int, bytes]]:
        """Numbers in that range, with the topics that have them."""
        ...

    def last(self, topic: bytes) -> Told | None:
        """The last value of a topic; None: it has none.

        Raises:
            UnsettledError: it is not known.
        """
        ...


class Watch(Protocol):
    """Says when a question has taken long enough; and lets others have the interpreter."""

    def is_over(self) -> bool:
        """To be asked each millisecond or so; it may pause."""
        ...

    def allow(self, seconds: float) -> None:
        """Give it so much from now on, if it has less."""
        ...
