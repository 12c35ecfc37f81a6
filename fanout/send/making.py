"""Which send path a publisher has: only what it uses costs it anything, its loading too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.send.numbered_path import NumberedPath
from fanout.send.path import SendPath

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.send.path import Demand
    from fanout.shm.bells import Bell
    from fanout.shm.doorbell import Doorbell
    from fanout.shm.segment import Segment


def make_path(
    segment: Segment,
    bells: Sequence[Bell],
    room: Doorbell,
    interest: Demand,
    max_topics: int,
    *,
    numbered: bool,
    kept: Sequence[bytes],
) -> SendPath:
    """The send path of a publisher.

    Args:
        numbered: whether its messages have a last frame with their number.
        kept: prefixes of the topics whose last values are kept.
    """
    given = segment, bells, room, interest, max_topics
    if kept:
        from fanout.send.kept_path import KeptPath, NumberedKeptPath

        return (NumberedKeptPath if numbered else KeptPath)(*given, kept)
    return (NumberedPath if numbered else SendPath)(*given)
