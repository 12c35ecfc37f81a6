"""Send paths whose usual append is compiled, and one step; all else is that of `SendPath`.

A message appended there is as if it had been appended under the send lock, without taking it: see
`_speed.c`. Locks of this path say in a word whether they are held, which is looked at instead.
"""

from __future__ import annotations

from functools import cached_property
from itertools import chain, count
from typing import TYPE_CHECKING

from fanout import _speed
from fanout.send.gate import OPEN
from fanout.send.lock import OwnedLock, SendLock, make_lock
from fanout.send.numbered_path import NumberedPath
from fanout.send.path import SendPath
from fanout.send.topics import Topic
from fanout.send.wire import COPY_ONCE_BYTES, NUMBER_FRAME, PAYLOAD_HEADERS, more_headers
from fanout.shm.compiled_log import CompiledLog, CompiledNumberedLog
from fanout.shm.layout import MESSAGE_PART

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.send.path import Demand
    from fanout.send.topics import Subject
    from fanout.shm.bells import Bell
    from fanout.shm.doorbell import Doorbell
    from fanout.shm.segment import Segment

AROUND_BYTES = 1024  # of a usual message at most, beside its frames: its topic, headers, its number


class CompiledPath(_speed.Path, SendPath):
    """As `SendPath`; `append` does the usual case itself, and has `append_plainly` do the rest."""

    make_log = CompiledLog
    is_compiled = True
    is_numbered = False
    append_plainly = SendPath.append
    log: CompiledLog
    placed: type[Topic] = Topic  # of topics that have a place among last values; here none has

    def __init__(
        self,
        segment: Segment,
        bells: Sequence[Bell],
        room: Doorbell,
        interest: Demand,
        max_topics: int,
    ) -> None:
        super(_speed.Path, self).__init__(segment, bells, room, interest, max_topics)
        self._share_all()

    def _share_all(self) -> None:
        """Have the compiled code work with what there is, once that is all there."""
        self.share(
            self.log,
            self.topics,
            more_headers() if self.is_numbered else PAYLOAD_HEADERS,
            max(COPY_ONCE_BYTES, self._size // MESSAGE_PART - AROUND_BYTES),
            NUMBER_FRAME if self.is_numbered else b"",
            self.gate.word,
            self._held,
            OPEN,
            Topic,
            self.placed,
        )

    def _make_lock(self) -> SendLock:
        self._held = held = memoryview(bytearray(8)).cast("Q")
        numbers = count(1)

        def make() -> OwnedLock:
            lock = make_lock()
            how = lock.acquire, lock.release, lock._is_owned
            return _speed.Lock(lock, *how, held, next(numbers))

        return SendLock(self.gate, make)

    @cached_property
    def _more_headers(self) -> list[bytes]:
        """Of frames in the middle of a message; asked for by who publishes such messages."""
        return more_headers()

    def limit_batches(self, size: int, count: int) -> None:
        self._batch_bytes, self._batch_count = size, count

    def append_coded_plainly(self, coded: _speed.Coded) -> int:
        """What `Coded.append` does, where that is not free to do it."""
        return self._append_with(lambda: self.log.append_coded(coded), coded.topics)

    def _extended(self, coded: _speed.Coded, pair: tuple[bytes, Subject]) -> list[bytes | Subject]:
        """The messages of a batch as a list, with one more behind them that is not usual."""
        return [*chain.from_iterable(zip(coded.bodies, coded.topics, strict=True)), *pair]

    def _wake_on(self, of: Topic | _speed.Coded) -> None:
        """What was committed is on this topic, or is this batch, and nobody holds it up."""
        self._wake_for((of,) if isinstance(of, Topic) else set(of.topics))

    def _look_and_wake_on(self, of: Topic | _speed.Coded) -> None:
        """The same, but somebody may."""
        self._wake((of,) if isinstance(of, Topic) else set(of.topics))


class CompiledNumberedPath(CompiledPath, NumberedPath):
    """As `NumberedPath`, in the same way."""

    make_log = CompiledNumberedLog
    is_numbered = True
    append_plainly = NumberedPath.append
