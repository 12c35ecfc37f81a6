"""Prefixes: what is subscribed to, also as the tuple that `bytes.startswith()` takes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Prefixes(set[bytes]):
    """Changed by `add` and `remove` alone.

    The tuple is made when it is asked for: with each change it would make a list of n cost n².
    """

    __slots__ = ("_tuple",)

    def __init__(self, prefixes: Iterable[bytes] = ()) -> None:
        super().__init__(prefixes)
        self._tuple: tuple[bytes, ...] | None = None

    def add(self, prefix: bytes) -> None:
        super().add(prefix)
        self._tuple = None

    def remove(self, prefix: bytes) -> None:
        super().remove(prefix)
        self._tuple = None

    @property
    def together(self) -> tuple[bytes, ...]:
        """All of them."""
        if self._tuple is None:
            self._tuple = tuple(self)
        return self._tuple
