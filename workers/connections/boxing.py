"""Frames of a stream cut and put into boxes, as many as are for one send. Pure.

Where stretches are sealed by one call (`fanout._boxes`), they are cut anew for each connection, and
its boxes are made in memory that all share. In Python to cut costs more than to seal: so what was
cut lately is kept for others who are sent the same.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

from fanout.zmtp.layout import lay_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.zmtp.batches import LaidOut, SealingBatch, StretchSealing
    from fanout.zmtp.sealer import Sealer

    Ends: TypeAlias = tuple[list[int], list[int]]

SEAL_BYTES = 64 * 1024  # for one send(2), or one frame
SEAL_FRAMES = 256  # as well: a small one takes a microsecond, and a new message waits for them all
KEPT_BYTES = 16 * 1024  # of boxes that may wait for each who is full; of others the work is lost
SHARED_BYTES = 2 * SEAL_BYTES  # that are kept: to cut or map more costs nothing beside sealing it
LAYOUTS_KEPT = 8  # members in step need one; some are a little behind others


class Boxes:
    """Boxes in a row, at least one. Never changed; but see `wire`.

    Attributes:
        plain: the frames that they are of.
        frames: how many they are.
        wire: what is sent in their place; it may be overwritten by what is made next.
        ends: says where each of them ends, in `plain` and in `wire`: it is asked seldom.
    """

    __slots__ = ("ends", "frames", "plain", "wire")

    def __init__(
        self,
        frames: int,
        plain: bytes | memoryview,
        wire: bytes | memoryview,
        ends: Callable[[], Ends],
    ) -> None:
        self.frames = frames
        self.plain = plain
        self.wire = wire
        self.ends = ends

    def behind(self, index: int) -> Boxes | None:
        """Those from here on that may wait, in memory of their own; at least one if there is."""
        ends, box_ends = self.ends()
        if index == len(ends):
            return None
        at, box_at = (ends[index - 1], box_ends[index - 1]) if index else (0, 0)
        until = max(index + 1, bisect_right(box_ends, box_at + KEPT_BYTES))
        kept = slice(index, until)
        left = [end - at for end in ends[kept]], [end - box_at for end in box_ends[kept]]
        plain = bytes(self.plain[at : ends[until - 1]])
        wire = bytes(self.wire[box_at : box_ends[until - 1]])
        return Boxes(until - index, plain, wire, lambda: left)


class Boxing:
    """Makes boxes for all who may be sent the same.

    Its mutable state: what was cut lately, and the memory in which boxes are made.
    """

    __slots__ = ("_kept", "_out")

    def __init__(self) -> None:
        self._kept: deque[SealingBatch] = deque(maxlen=LAYOUTS_KEPT)
        self._out = bytearray()

    def of(self, data: memoryview, sealer: Sealer) -> Boxes | None:
        """Boxes of the frames that it begins with, for one send; None: there is no whole one."""
        stretches = sealer.stretches
        if stretches is not None:
            return self._of_stretch(data, sealer, stretches)
        batch = self._laid_out(data, sealer)
        if batch is None:
            return None
        layout = batch.layout
        ends = layout.ends, layout.box_ends
        return Boxes(len(layout.ends), layout.plain, sealer.seal_all(batch), lambda: ends)

    def _of_stretch(
        self, data: memoryview, sealer: Sealer, stretches: StretchSealing
    ) -> Boxes | None:
        frames, end, size = stretches.cut(data, SEAL_BYTES, SEAL_FRAMES)
        if not frames:
            return None
        plain = data[:end]
        out = self._out
        if size > len(out):
            out = bytearray(size)
            if size <= SHARED_BYTES:
                self._out = out
        wire = sealer.seal_stretch(stretches, plain, frames, out)
        return Boxes(frames, plain, wire, lambda: stretches.ends(plain))

    def _laid_out(self, data: memoryview, sealer: Sealer) -> SealingBatch | None:
        """The frames that it begins with, for one send; None: there is no whole one."""
        longest = max([len(batch.layout.plain) for batch in self._kept], default=0)
        window = bytes(data[:longest])
        for batch in self._kept:
            layout = batch.layout
            if (_is_enough(layout) or len(layout.plain) == len(data)) and window.startswith(
                layout.plain
            ):
                return batch
        cut = lay_out(data, SEAL_BYTES, SEAL_FRAMES)
        if cut is None:
            return None
        batch = sealer.batch(cut)
        if len(cut.plain) <= SHARED_BYTES:
            self._kept.appendleft(batch)
        return batch


def _is_enough(layout: LaidOut) -> bool:
    """Whether it is as much as is sealed for one send, however much there was."""
    return layout.box_ends[-1] >= SEAL_BYTES or len(layout.ends) >= SEAL_FRAMES
