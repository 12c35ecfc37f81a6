"""What a connection needs to be served when it is handed over: its socket, and perhaps TLS."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from fanout.control.judging import is_by_tls
from fanout.errors import ConfigError
from fanout.reasons import Reason

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from fanout.control.judging import Secure
    from fanout.control.messages import Adopt
    from fanout.security.records import TlsRecords
    from fanout.workers.connections.peer import Peer
    from fanout.workers.connections.sessions import Sessions
    from fanout.workers.stream.pump import Pump
    from fanout.workers.surroundings import Surroundings
    from fanout.zmtp import Session


class NotAdoptedError(Exception):
    """A connection cannot be served; it is closed."""

    def __init__(self, cause: Reason, text: str) -> None:
        super().__init__(text)
        self.cause = cause


class Opened(NamedTuple):
    """What a connection is served by; `put_under`: has TLS be between, None = there is none."""

    sock: socket.socket
    session: Session
    put_under: Callable[[Peer, Pump, Callable[[], None]], None] | None


def opened(
    message: Adopt, descriptors: list[int], around: Surroundings, sessions: Sessions
) -> Opened:
    """The socket of a connection, its session, and TLS, if so.

    Raises:
        NotAdoptedError: it has not arrived, or has broken on the way, or there is nothing to begin
            TLS or a session by.
    """
    if not descriptors:  # the system drops what it finds no number for
        raise NotAdoptedError(Reason.NO_DESCRIPTOR, Reason.NO_DESCRIPTOR.text)
    try:
        sock = around.prepare(descriptors[0])
    except OSError as error:
        text = f"{Reason.GONE_EARLY.text}: {error.strerror}"
        raise NotAdoptedError(Reason.GONE_EARLY, text) from None
    what = "TLS"
    try:
        records = sessions.records(message.protocol)
        put_under = None if records is None else _below(records)
        what = "its session"  # of which something may have to be loaded, as of TLS
        return Opened(sock, sessions.make(message.protocol, records), put_under)
    except (ConfigError, ImportError, OSError) as error:
        sock.close()
        raise NotAdoptedError(Reason.NO_RESOURCES, f"{what} cannot begin: {error}") from None


def _below(records: TlsRecords) -> Callable[[Peer, Pump, Callable[[], None]], None]:
    from fanout.workers.connections.tls import put_under  # by who has use for it

    return lambda peer, pump, progressed: put_under(peer, records, pump, progressed)


def secure(message: Secure, sessions: Sessions) -> None:
    """From now on there are connections with these keys.

    What TLS needs is loaded now, before anybody comes whom that would keep waiting, and all others
    of this worker. It may fail where no descriptor is left: then it is tried again for who comes.
    """
    sessions.secure(message)
    if is_by_tls(message.protocol):
        with suppress(ConfigError, ImportError, OSError):
            records = sessions.records(message.protocol)
            assert records is not None, "it is by TLS"
            _below(records)
            sessions.make(message.protocol, records)
