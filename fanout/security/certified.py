"""Who may subscribe of those who have shown a certificate: all, or whom a check lets in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.security.endpoints import Checking
from fanout.zmtp.mechanisms import TLS

if TYPE_CHECKING:
    from fanout.security.endpoints import Check


class Certified(Checking):
    """Who has shown a certificate, and may subscribe if a check says so. Immutable.

    Args:
        check: as of `Plain`; None = everybody who has one.
    """

    __slots__ = ()
    mechanism = TLS

    def __init__(self, check: Check | None) -> None:
        self._check = check
