"""As `compiled_path`, for a publisher that keeps last values; loaded only by who has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.send.compiled_path import CompiledPath
from fanout.send.kept_path import KeptPath, NumberedKeptPath
from fanout.send.kept_topics import KeptTopic
from fanout.shm.compiled_valued_log import CompiledNumberedValuedLog, CompiledValuedLog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.send.path import Demand
    from fanout.shm.bells import Bell
    from fanout.shm.doorbell import Doorbell
    from fanout.shm.segment import Segment


class CompiledKeptPath(CompiledPath, KeptPath):
    """As `KeptPath`."""

    make_log = CompiledValuedLog
    append_plainly = KeptPath.append
    log: CompiledValuedLog
    placed = KeptTopic

    def __init__(
        self,
        segment: Segment,
        bells: Sequence[Bell],
        room: Doorbell,
        interest: Demand,
        max_topics: int,
        prefixes: Sequence[bytes] = (b"",),
    ) -> None:
        KeptPath.__init__(self, segment, bells, room, interest, max_topics, prefixes)
        self._share_all()


class CompiledNumberedKeptPath(CompiledKeptPath, NumberedKeptPath):
    """Compiled: keeps last values, and its messages are numbered."""

    make_log = CompiledNumberedValuedLog
    is_numbered = True
    append_plainly = NumberedKeptPath.append
