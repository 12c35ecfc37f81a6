"""What a connection needs to be served when it is handed over: its socket, and perhaps TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.errors import ConfigError
from fanout.reasons import Reason

if TYPE_CHECKING:
    import socket

    from fanout.control.messages import Adopt
    from fanout.security.records import TlsRecords
    from fanout.workers.connections.sessions import Sessions
    from fanout.workers.surroundings import Surroundings
    from fanout.zmtp import Session


class NotAdoptedError(Exception):
    """A connection cannot be served; it is closed."""

    def __init__(self, cause: Reason, text: str) -> None:
        super().__init__(text)
        self.cause = cause


def opened(
    message: Adopt, descriptors: list[int], around: Surroundings, sessions: Sessions
) -> tuple[socket.socket, TlsRecords | None, Session]:
    """The socket of a connection, what makes records of what it is sent, if so, and its session.

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
        what = "its session"  # of which something may have to be loaded, as of TLS
        return sock, records, sessions.make(message.protocol, records)
    except (ConfigError, ImportError, OSError) as error:
        sock.close()
        raise NotAdoptedError(Reason.NO_RESOURCES, f"{what} cannot begin: {error}") from None
