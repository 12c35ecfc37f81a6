"""Which session a peer gets: by the protocol that its listener speaks."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, TypeAlias

from fanout.control.judging import inside_of_tls, is_by_tls, is_certified
from fanout.terms.introduction import PROPERTY, Introduction
from fanout.terms.reserved import RESERVED
from fanout.zmtp import Session, SessionLimits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ssl import SSLContext

    from fanout.control.judging import Secure
    from fanout.options import Options
    from fanout.security.records import TlsRecords
    from fanout.zmtp.boxes import Primitives

SessionMaker: TypeAlias = Callable[[SessionLimits], Session]


def _with_plain(limits: SessionLimits) -> Session:
    from fanout.zmtp.plain import PlainServer  # where nobody has it, it need not be loaded

    return Session(limits, mechanism=PlainServer())


SESSIONS: dict[str, SessionMaker] = {"zmtp": Session, "zmtp+plain": _with_plain}


def leave_no_core() -> None:
    """From here on this process has keys, and leaves no core file."""
    import resource  # where nobody has keys, it need not be loaded

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def of_curve() -> Primitives:
    """What CURVE is made of."""
    from fanout.security.sodium import Sodium  # some 10 ms: where nobody has it, it is not loaded

    return Sodium()


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


class OfSessions(Protocol):
    """What sessions are made with; see `Surroundings`."""

    @property
    def sessions(self) -> Mapping[str, SessionMaker]:
        """What makes the session of a peer, by the protocol that its listener speaks."""

    def leave_no_core(self) -> None:
        """This process has keys from now on."""

    def primitives(self) -> Primitives:
        """What CURVE is made of; asked for when somebody has it."""


class Sessions:
    """Makes the sessions of a worker. Its mutable state: the protocols that have keys, and these.

    Args:
        around: has the makers of the others, and what there is to do with secrets.
        introduction: what a peer is told of the publisher in its handshake; asked for each.
    """

    def __init__(
        self,
        around: OfSessions,
        limits: SessionLimits,
        introduction: Callable[[], Introduction],
    ) -> None:
        self._makers = around.sessions
        self._tls: dict[str, list[bytes]] = {}
        self._contexts: dict[str, SSLContext] = {}
        self._with_keys: dict[str, SessionMaker] = {}
        self._secrets: dict[str, list[bytes]] = {}  # of CURVE, before somebody comes by it
        self._leave_no_core = around.leave_no_core
        self._make_primitives = around.primitives
        self._made: Primitives | None = None
        self._certified: set[str] = set()  # protocols by whose certificates peers are known
        self._limits = limits
        self._introduction = introduction

    def make(self, protocol: str, records: TlsRecords | None = None) -> Session:
        """A new session of this protocol.

        Args:
            records: by which it is spoken; None = by none.

        Raises:
            ImportError, OSError: what it is made of cannot be loaded now.
        """
        if records is not None and protocol in self._certified:
            session = _certified(records, self._limits)
        else:
            session = self._maker(protocol)(self._limits)
        session.introduce = self._introduce
        return session

    def _maker(self, protocol: str) -> SessionMaker:
        if protocol in self._secrets:
            self._with_keys[protocol] = _maker_with_keys(
                self._secrets[protocol], self._primitives()
            )
            del self._secrets[protocol]  # not before: as below
        return self._with_keys.get(protocol) or self._makers[protocol]

    def in_boxes(self, key: bytes, count: int, heard: int, part: bytes) -> Session:
        """The session of a peer with CURVE whose handshake another worker has done.

        Args:
            key: of the connection.
            count: of the last nonce of ours that was used.
            heard: the same of the peer, by what has come.
            part: of its next box, as far as that has come.

        Raises:
            ImportError, OSError: as `make()`.
        """
        self._leave_no_core()
        # Loaded only where there are keys.
        from fanout.zmtp.boxes import CLIENT_TEXT, SERVER_TEXT, Counting
        from fanout.zmtp.opener import Opener
        from fanout.zmtp.sealer import Sealer

        session, sodium = Session(self._limits), self._primitives()
        theirs = CLIENT_TEXT, Counting(heard), self._limits.max_frame_bytes, part
        session.opener = Opener(sodium, key, *theirs)
        session.sealer = Sealer(sodium, key, SERVER_TEXT, count)
        return session

    def _primitives(self) -> Primitives:
        """Of CURVE: one for all, since it is tried out when it is made."""
        if self._made is None:
            self._made = self._make_primitives()
        return self._made

    def records(self, protocol: str) -> TlsRecords | None:
        """TLS for a new connection of this protocol; None = it has none.

        Raises:
            ConfigError, ImportError, OSError: it cannot be had now.
        """
        if not is_by_tls(protocol):
            return None
        from fanout.security.records import TlsRecords  # some ms: where nobody has it, it is not
        from fanout.security.tls import context_of  # loaded

        context = self._contexts.get(protocol)
        if context is None:
            context = self._contexts[protocol] = context_of(self._tls[protocol])
            del self._tls[protocol]  # not before: that may fail now, and work for the next one
        return TlsRecords(context)

    def secure(self, message: Secure) -> None:
        """From now on there are connections of this protocol, and these are its keys."""
        protocol = message.protocol
        self._leave_no_core()
        if is_by_tls(protocol):
            self._tls[protocol] = message.secrets
            inside = inside_of_tls(protocol)
            self._with_keys[protocol] = self._makers[inside]
            if is_certified(message.secrets, inside):
                self._certified.add(protocol)
        else:
            # What it takes is loaded now, before anybody comes whom that would keep waiting. It may
            # fail where no descriptor is left: then it is tried again for who comes, and is to cost
            # him his connection, and not all others their worker.
            self._secrets[protocol] = message.secrets
            with suppress(ImportError, OSError):
                self._maker(protocol)

    def forget(self, protocol: str) -> None:
        """There are no new connections of this protocol any more: its keys are let go.

        Those there are go on: what they need they have, and let it go when they end.
        """
        for known in (self._tls, self._contexts, self._with_keys, self._secrets):
            known.pop(protocol, None)
        self._certified.discard(protocol)

    def _introduce(self) -> dict[bytes, bytes]:
        return {PROPERTY: self._introduction().to_bytes()}


def _certified(records: TlsRecords, limits: SessionLimits) -> Session:
    """A session with who is known by the certificate that he has shown."""
    # Loaded only where peers are known by certificates.
    from fanout.security.certificate_names import credentials_by
    from fanout.zmtp.judged_null import JudgedNull

    return Session(limits, mechanism=JudgedNull(lambda: credentials_by(*records.certificate())))


def _maker_with_keys(secrets: list[bytes], sodium: Primitives) -> SessionMaker:
    """What makes sessions with CURVE."""
    # Loaded only where there are keys.
    from fanout.zmtp.boxes import KeyPair
    from fanout.zmtp.curve import CurveServer

    keys = [KeyPair(sodium.public_of(secret), secret) for secret in secrets]
    return lambda limits: Session(limits, mechanism=CurveServer(keys, sodium, os.urandom))
