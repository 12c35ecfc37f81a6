"""Which session a peer gets: by the protocol that its listener speaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from fanout.zmtp import Session, SessionLimits

SessionMaker: TypeAlias = Callable[[SessionLimits], Session]


def _with_plain(limits: SessionLimits) -> Session:
    from fanout.zmtp.plain import PlainServer  # where nobody has it, it need not be loaded

    return Session(limits, mechanism=PlainServer())


SESSIONS: dict[str, SessionMaker] = {"zmtp": Session, "zmtp+plain": _with_plain}
