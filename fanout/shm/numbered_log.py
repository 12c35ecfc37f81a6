"""A log that writes into each message its own number, as the last frame of it.

The number of a message is known when it is committed, not before: whoever encodes a message leaves
room for it, and the room is filled here, under the send lock.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from fanout.shm.layout import H_EPOCH
from fanout.shm.log import LogWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.shm.segment import Segment

NUMBER = struct.Struct(">QQ")  # epoch and sequence; on the wire, not in words of shared memory


class NumberedLog(LogWriter):
    """As `LogWriter`, for messages that end in `NUMBER.size` bytes of room."""

    def __init__(self, segment: Segment, tails: Sequence[int] = ()) -> None:
        super().__init__(segment, tails)
        self._epoch = segment.words[H_EPOCH]

    def append(self, wire: bytes, topic_id: int) -> int:
        sequence, _start, _offset = self.following  # type: ignore[misc]  # not None: see there
        return super().append(self._numbered(wire, sequence), topic_id)

    def append_parts(self, parts: Sequence[bytes], topic_id: int) -> int:
        return super().append_parts((*parts[:-1], self._numbered(parts[-1], self.head)), topic_id)

    def append_batch(self, wires: Sequence[bytes], topic_ids: Sequence[int]) -> int:
        numbered = list(map(self._numbered, wires, range(self.head, self.head + len(wires))))
        return super().append_batch(numbered, topic_ids)

    def _numbered(self, wire: bytes, sequence: int) -> bytes:
        return wire[: -NUMBER.size] + NUMBER.pack(self._epoch, sequence)
