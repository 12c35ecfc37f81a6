"""A splitter whose search for frequent messages is compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout._speed import cut
from fanout.ingress.splitting import Splitter
from fanout.send.topics import UNKNOWN

if TYPE_CHECKING:
    from fanout.ingress.splitting import Found


class CompiledSplitter(Splitter):
    """As `Splitter`."""

    __slots__ = ()

    def _find(self, data: bytes, offset: int, found: Found) -> int:
        own = self._admission
        alone = UNKNOWN if own.takes_any else None
        offset, ends = cut(data, offset, found.size, self._size_max, own.known, alone, found.topics)
        found.ends.frombytes(ends)
        return offset
