"""What seals many frames at once: those that were cut for all who are sent them, or a stretch."""

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


class StretchSealing(Protocol):
    """Seals whole frames as they come in a stream, each stretch by one call: `fanout._boxes`.

    To cut them costs next to nothing there, so that nothing is kept for the next connection. What
    it makes is what a `SealingBatch` makes of the same frames.
    """

    def cut(self, plain: memoryview, enough: int, most: int, /) -> tuple[int, int, int]:
        """Find whole frames at the beginning, as `lay_out()` takes them; none is no error.

        Returns:
            How many there are, how far they go, and how many bytes are sent in their place.
        """

    def ends(self, plain: memoryview, /) -> tuple[list[int], list[int]]:
        """Where each frame ends, in `plain`, and in what is sent in their place."""

    def seal(
        self, plain: memoryview, first: int, frames: int, key: bytes, text: bytes, out: bytearray, /
    ) -> int:
        """Seal all of these; the nonces are used, whatever is raised.

        Args:
            first: the counter of the first.
            frames: how many there are.
            text: the first 16 bytes of the nonces.
            out: where what is sent goes, from its beginning on.

        Returns:
            How many bytes are sent.

        Raises:
            RuntimeError: there are more frames, or fewer, or too large ones, or libsodium failed;
                nothing of `out` may be sent.
        """
