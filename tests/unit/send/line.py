"""A send path over a small segment, and what it has written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.coordinator.interest import Interest
from fanout.send.path import SendPath
from fanout.shm import layout as at
from fanout.shm.bells import Bell
from fanout.shm.doorbell import Doorbell
from fanout.shm.reader import LogReader
from fanout.shm.segment import Segment
from fanout.shm.worker_slot import NO_TAIL, WorkerSlot
from tests.helpers.log import SMALL

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from fanout.send.topics import Subject
    from fanout.shm.credit import Credit
    from fanout.shm.layout import Layout

EPOCH = 0x0102030405060708  # of every one, so that two of them write the same


class Line:
    """What one worker reads of what a send path appends; a context manager that closes it."""

    def __init__(self, layout: Layout = SMALL, make_path: type[SendPath] = SendPath) -> None:
        self.segment = Segment.create(layout)
        self.segment.words[at.H_EPOCH] = EPOCH
        self.reader = LogReader(self.segment)
        self._bells = Doorbell(), Doorbell()
        bell = Bell(self.segment, 0, self._bells[0])
        self.path = make_path(self.segment, [bell], self._bells[1], Interest(), 16)
        self._worker = WorkerSlot(self.segment, 0)
        self._worker.release()
        self._sleeps = 0
        self.read_up_to(NO_TAIL)

    def __enter__(self) -> Line:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for bell in self._bells:
            bell.close()
        self.segment.close()

    def read_up_to(self, sequence: int) -> None:
        """The worker needs what came before no more; NO_TAIL: it needs nothing at all."""
        self._worker.tail = sequence

    def allow(self, credit: Credit, subscriber: int = 0) -> None:
        """The worker lets the publisher go so far, and says for whom it is to wait."""
        self._worker.credit, self._worker.holding = credit, subscriber

    def fall_asleep(self) -> None:
        """The worker is to be rung for; each of its sleeps is another one."""
        self._sleeps += 1
        self._worker.fall_asleep(self._sleeps)

    def wake(self) -> None:
        """The worker looks by itself, and has not said yet how far the publisher may go."""
        self._worker.wake()

    def written(self) -> list[bytes]:
        """The wire bytes of every message; there must be no more than the log holds."""
        reader = self.reader
        return reader.pieces(0, reader.head())


def collected(path: SendPath, *pairs: tuple[bytes, Subject]) -> Any:
    """What a batch has of these messages, each with its body and subject."""
    messages: Any = path.collect()
    for body, subject in pairs:
        messages += body, subject
    return messages
