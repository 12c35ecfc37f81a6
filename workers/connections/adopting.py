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


class NotAdoptedError(Exception):
    """A connection cannot be served; it is closed."""

    def __init__(self, cause: Reason, text: str) -> None:
        super().__init__(text)
        self.cause = cause


def opened(
    message: Adopt, descriptors: list[int], around: Surroundings, sessions: Sessions
) -> tuple[socket.socket, TlsRecords | None]:
    """The socket of a connection, and what makes records of what it is sent; None = nothing does.

    Raises:
        NotAdoptedError: it has not arrived, or has broken on the way, or TLS cannot begin.
    """
    if not descriptors:  # the system drops what it finds no number for
        raise NotAdoptedError(Reason.NO_DESCRIPTOR, Reason.NO_DESCRIPTOR.text)
    try:
        sock = around.prepare(descriptors[0])
    except OSError as error:
        text = f"{Reason.GONE_EARLY.text}: {error.strerror}"
        raise NotAdoptedError(Reason.GONE_EARLY, text) from None
    try:
        return sock, sessions.records(message.protocol)
    except (ConfigError, OSError) as error:
        sock.close()
        cause = Reason.NO_RESOURCES
        raise NotAdoptedError(cause, f"TLS cannot begin: {error}") from None
