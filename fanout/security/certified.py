"""Who may subscribe of those who have shown a certificate: all, or whom a check lets in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.security.awaited import found_by
from fanout.security.endpoints import Security
from fanout.security.verdicts import CHECK_TIMEOUT, Allow, Request, Verdict, as_verdict
from fanout.zmtp.mechanisms import TLS

if TYPE_CHECKING:
    from fanout.security.awaited import Ending
    from fanout.security.endpoints import Check


class Certified(Security):
    """Who has shown a certificate, and may subscribe if a check says so. Immutable.

    Args:
        check: as of `Plain`; None = everybody who has one.
    """

    __slots__ = ("_check",)
    mechanism = TLS
    asks = True

    def __init__(self, check: Check | None) -> None:
        self._check = check

    def judge(
        self,
        request: Request,
        seconds: float = CHECK_TIMEOUT,
        ending: Ending | None = None,
    ) -> Verdict:
        if self._check is None:
            return Allow()
        return as_verdict(found_by(self._check, request, seconds, ending))
