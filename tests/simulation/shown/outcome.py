"""What may have come of one topic, and where somebody stood while it was sent last values."""

from __future__ import annotations

from typing import NamedTuple


class Outcome(NamedTuple):
    """Of one topic.

    Args:
        chain: it is sent these, from the last keyframe on.
        values: and then these; mostly one, and nothing before it.
        lost: how often it is counted that there is no keyframe.
        is_alone: of a topic with keyframes it is to be sent the last one as a value.
    """

    chain: tuple[int, ...] = ()
    values: tuple[int, ...] = ()
    lost: int = 0
    is_alone: bool = False

    @property
    def messages(self) -> tuple[int, ...]:
        """What it is sent."""
        return self.chain + self.values

    def and_then(self, *values: int, lost: int = 0) -> Outcome:
        """The same, and in the next stage that."""
        is_alone = self.is_alone and not lost
        return Outcome(self.chain, self.values + values, self.lost + lost, is_alone)


class Stage(NamedTuple):
    """Of what is sent of last values.

    Args:
        as_of: what was published before this message.
        got: how many messages of the past it had been sent then.
        begun: by the clock of the feed.
    """

    as_of: int
    got: int
    begun: int


NOTHING = Outcome()
LOST = Outcome(lost=1)
