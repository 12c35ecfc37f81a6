"""Which send path a publisher has: only what it uses costs it anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.send.kept_path import KeptPath, NumberedKeptPath
from fanout.send.numbered_path import NumberedPath
from fanout.send.path import SendPath

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.options import Options
    from fanout.send.path import Demand
    from fanout.shm.bells import Bell
    from fanout.shm.doorbell import Doorbell
    from fanout.shm.segment import Segment


def make_path(
    options: Options, segment: Segment, bells: Sequence[Bell], room: Doorbell, interest: Demand
) -> SendPath:
    """The send path for these options."""
    numbered, kept = options.sequence_frame, options.kept_values
    given = segment, bells, room, interest, options.max_topics
    if kept is not None:
        make_kept = NumberedKeptPath if numbered else KeptPath
        return make_kept(*given, kept.topics)
    make = NumberedPath if numbered else SendPath
    return make(*given)
