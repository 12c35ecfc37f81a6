"""The send path of a publisher with `sequence_frame`: each message has one frame more, its number.

Others do not pay for it: which path a publisher has is decided when it is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.send.path import SendPath
from fanout.send.wire import COPY_ONCE_BYTES, NUMBER_FRAME, more_headers
from fanout.shm.numbered_log import NumberedLog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.send.path import Demand
    from fanout.send.topics import Subject
    from fanout.shm.bells import Bell
    from fanout.shm.doorbell import Doorbell
    from fanout.shm.segment import Segment


class NumberedPath(SendPath):
    """As `SendPath`; a message that comes whole ends in `NUMBER_FRAME`, as its `Encoder` has it."""

    make_log = NumberedLog

    def __init__(
        self,
        segment: Segment,
        bells: Sequence[Bell],
        room: Doorbell,
        interest: Demand,
        max_topics: int,
    ) -> None:
        super().__init__(segment, bells, room, interest, max_topics)
        self._headers = more_headers()

    def append(self, body: bytes, subject: Subject) -> int:
        topic = self.topics.young.get(subject)
        size = len(body)
        if topic is None or size >= COPY_ONCE_BYTES:  # else it is no message yet
            return super().append(body, subject)
        wire = b"".join((topic.head, self._headers[size], body, NUMBER_FRAME))
        return super().append(wire, topic)
