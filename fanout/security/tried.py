"""What is sealed to see whether a faster way makes the same boxes as PyNaCl's public functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.zmtp.boxes import KEY_BYTES
from fanout.zmtp.frames import MORE, frame_header
from fanout.zmtp.layout import lay_out

if TYPE_CHECKING:
    from fanout.zmtp.batches import LaidOut

TRIED_KEY = bytes(range(KEY_BYTES))
TRIED_COUNTS = (1, 1 << 40)
_SIZES = (0, 1, 31, 32, 33, 63, 64, 65, 255, 256, 1000)  # around the cipher's blocks


def tried_frames() -> LaidOut:
    """Frames of these sizes."""
    text = bytes(range(256)) * 4
    frames = [frame_header(size, MORE) + text[:size] for size in _SIZES]
    layout = lay_out(memoryview(b"".join(frames)), len(text) * len(frames), len(frames))
    assert layout is not None
    return layout
