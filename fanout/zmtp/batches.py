"""What frames are cut into for all who are sent them in boxes, and what seals that."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Place(NamedTuple):
    """Where one frame of a layout has what."""

    counter: int  # in what is sent; its box comes behind that
    inner: int  # what is sealed, in `LaidOut.inner`
    size: int  # of that


class LaidOut(NamedTuple):
    """Whole frames, at least one."""

    plain: bytes  # they as they are
    ends: list[int]  # of each, in `plain`
    box_ends: list[int]  # of each, in what is sent
    template: bytes  # what is sent, with zeros in place of counters and boxes
    inner: bytes  # what is sealed, one after the other
    places: list[Place]


class SealingBatch(Protocol):
    """Seals the frames of a layout, for one connection after another.

    Attributes:
        layout: of these frames.
    """

    layout: LaidOut

    def seal(self, text: bytes, first: int, key: bytes) -> memoryview:
        """Seal them all.

        Args:
            text: the first 16 bytes of the nonces.
            first: the counter of the first; those of the others follow.

        Returns:
            What is sent. It is overwritten by the next call.
        """
