"""What is tried has frames around each border of the cipher, of the header and of the mechanism."""

from __future__ import annotations

from fanout.security.tried import TRIED_COUNTS, tried_frames


def test_frames_are_of_many_sizes_and_both_kinds_of_headers() -> None:
    layout = tried_frames()
    sizes = [place.size - 1 for place in layout.places]
    assert {0, 32, 64} < set(sizes)
    assert min(sizes) < 222 < max(sizes), "from 223 bytes on a box has a long header"
    assert len(layout.plain) == layout.ends[-1]
    assert max(TRIED_COUNTS) >> 32, "both halves of a counter are in use"
