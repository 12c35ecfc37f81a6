"""NULL on the wire, where somebody judges who comes by what is known of him from below.

    both     READY     the client's comes first; ours once somebody has judged it, or ERROR

That is who has shown a certificate by TLS, and has proven there that it is his.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.zmtp import commands
from fanout.zmtp.errors import LocalProtocolError, RemoteProtocolError
from fanout.zmtp.mechanisms import (
    HANDSHAKE_FRAME_BYTES_MAX,
    Credentials,
    Encryption,
    Progress,
    Properties,
    split,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class JudgedNull:
    """The side that judges. Its mutable state: whether READY has come.

    Args:
        known: who the peer is, as has been proven; asked when its READY has come.
    """

    name = b"NULL"
    as_server = False
    awaits_verdict = False
    frame_bytes_max = HANDSHAKE_FRAME_BYTES_MAX

    def __init__(self, known: Callable[[], Credentials]) -> None:
        self._known = known
        self._ours: Properties = bytes
        self._has_come = False

    def begin(self, ours: Properties) -> bytes:
        """Wait for the client's READY."""
        self._ours = ours
        return b""

    def receive(self, body: bytes) -> Progress:
        """READY.

        Raises:
            RemoteProtocolError: it is anything else, or comes again; or nobody can be known by that
                name.
        """
        name, data = split(body)
        if self._has_come:
            raise RemoteProtocolError("a frame before the peer was judged")
        if name != commands.READY:
            raise RemoteProtocolError("a frame before READY")
        self._has_come = True
        return Progress(credentials=self._known(), metadata=data)

    def allow(self) -> Progress:
        """Our READY.

        Raises:
            LocalProtocolError: there is nobody to be judged.
        """
        if not self._has_come:
            raise LocalProtocolError("a verdict, where READY comes next")
        return Progress(commands.command(commands.READY, self._ours()), is_done=True)

    def encryption(self, max_frame_bytes: int) -> Encryption | None:
        """Nothing is hidden, here."""
        del max_frame_bytes
        return None
