"""The send path whose usual append is compiled, and one step; all else is that of `SendPath`.

A message appended there is as if it had been appended under the send lock, without taking it: see
`_speed.c`. Locks of this path say in a word whether they are held, which is looked at instead.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from fanout import _speed
from fanout.send.gate import OPEN
from fanout.send.lock import SendLock, make_lock
from fanout.send.path import SendPath
from fanout.send.wire import PAYLOAD_HEADERS
from fanout.shm.compiled_log import CompiledLog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.send.path import Coded, Demand
    from fanout.send.topics import Topic
    from fanout.shm.bells import Bell
    from fanout.shm.doorbell import Doorbell
    from fanout.shm.segment import Segment


class CompiledPath(_speed.Path, SendPath):
    """As `SendPath`; `append` does the usual case itself, and has `append_plainly` do the rest."""

    make_log = CompiledLog
    is_compiled = True
    append_plainly = SendPath.append
    log: CompiledLog

    def __init__(
        self,
        segment: Segment,
        bells: Sequence[Bell],
        room: Doorbell,
        interest: Demand,
        max_topics: int,
    ) -> None:
        SendPath.__init__(self, segment, bells, room, interest, max_topics)
        self.share(
            log=self.log,
            table=self.topics,
            headers=PAYLOAD_HEADERS,
            gate=self.gate.word,
            held=self._held,
            open=OPEN,
        )

    def _make_lock(self) -> SendLock:
        self._held = held = memoryview(bytearray(8)).cast("Q")
        numbers = count(1)
        return SendLock(self.gate, lambda: _speed.Lock(make_lock(), held, next(numbers)))

    def append_coded(self, coded: Coded) -> int:
        """See `SendPath`."""
        data, ends, ids, topics = coded
        return self._append_with(lambda: self.log.append_coded(data, ends, ids), topics)

    def _wake_one(self, topic: Topic) -> None:
        self._wake((topic,))
