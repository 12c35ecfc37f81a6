"""Which session a peer gets: by the protocol that its listener speaks."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from fanout.introduction import PROPERTY, Introduction
from fanout.reserved import RESERVED
from fanout.zmtp import Session, SessionLimits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fanout.control.judging import Secure
    from fanout.options import Options

SessionMaker: TypeAlias = Callable[[SessionLimits], Session]


def _with_plain(limits: SessionLimits) -> Session:
    from fanout.zmtp.plain import PlainServer  # where nobody has it, it need not be loaded

    return Session(limits, mechanism=PlainServer())


SESSIONS: dict[str, SessionMaker] = {"zmtp": Session, "zmtp+plain": _with_plain}


def limits_of(options: Options) -> SessionLimits:
    """What a peer may take."""
    return SessionLimits(
        max_frame_bytes=options.max_inbound_bytes,
        max_subscriptions=options.max_subscriptions,
        max_subscription_bytes=options.max_subscription_bytes,
        max_subscriptions_bytes=options.max_subscriptions_bytes,
        allow_zmtp_1=options.allow_zmtp_1,
        reserved=RESERVED,
    )


class Sessions:
    """Makes the sessions of a worker. Its mutable state: the protocols that have keys.

    Args:
        makers: of the others.
        introduction: what a peer is told of the publisher in its handshake; asked for each.
    """

    def __init__(
        self,
        makers: Mapping[str, SessionMaker],
        limits: SessionLimits,
        introduction: Callable[[], Introduction],
    ) -> None:
        self._makers = makers
        self._with_keys: dict[str, SessionMaker] = {}
        self._limits = limits
        self._introduction = introduction

    def make(self, protocol: str) -> Session:
        """A new session of this protocol."""
        maker = self._with_keys.get(protocol) or self._makers[protocol]
        session = maker(self._limits)
        session.introduce = self._introduce
        return session

    def secure(self, message: Secure) -> None:
        """From now on there are connections of this protocol, and these are its keys."""
        self._with_keys[message.protocol] = _maker_with_keys(message.secrets)

    def _introduce(self) -> dict[bytes, bytes]:
        return {PROPERTY: self._introduction().to_bytes()}


def _maker_with_keys(secrets: list[bytes]) -> SessionMaker:
    """What makes sessions with CURVE; from here on this process leaves no core file."""
    import resource

    from fanout.security.sodium import Sodium  # some 10 ms: where nobody has it, it is not loaded
    from fanout.zmtp.boxes import KeyPair
    from fanout.zmtp.curve import CurveServer

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sodium = Sodium()
    keys = [KeyPair(sodium.public_of(secret), secret) for secret in secrets]
    return lambda limits: Session(limits, mechanism=CurveServer(keys, sodium, os.urandom))
