"""TLS without I/O: records that came in, plain bytes out; plain bytes in, records out.

The protocol is that of OpenSSL, by `ssl` of the standard library, between two buffers in memory. So
nothing here waits, a plain piece becomes records once and is never looked at again, and whoever
has the socket sends these when it takes them.

Of a peer's handshake no more than a bound is taken. After it there is no second one: renegotiation
is off, and so is whatever would have a session begin with what a client has kept from another.
"""

from __future__ import annotations

from contextlib import suppress
from ssl import (
    MemoryBIO,
    SSLCertVerificationError,
    SSLError,
    SSLWantReadError,
    SSLZeroReturnError,
)
from typing import TYPE_CHECKING, Any

from fanout.security.tls_error import TlsError
from fanout.zmtp.errors import RemoteProtocolError
from fanout.zmtp.foreign import is_http
from fanout.zmtp.greeting import is_greeting

if TYPE_CHECKING:
    from ssl import SSLContext

RECORD_BYTES = 16 * 1024  # plain bytes of one record, by the protocol (RFC 8446, 5.1)
HANDSHAKE_BYTES_MAX = 128 * 1024  # OpenSSL takes chains of certificates up to 100 KiB
# That wait to be sent by themselves. In a handshake those are a few, with a chain of up to 64 KiB.
# But a peer may ask for new keys, or another handshake, as often as it likes, which is answered
# each time; who does not read what he has asked for must not fill our memory by that.
SAID_BYTES_MAX = 128 * 1024
_NO_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "UNKNOWN_PROTOCOL"}
# "protocol_version", in the clear (RFC 8446, 6.2): OpenSSL closes without a word on who speaks no
# TLS, and a subscriber that connected to tcp:// by mistake would hear nothing.
_NOT_UNDERSTOOD = b"\x15\x03\x03\x00\x02\x02\x46"
_CONNECT_BY_TLS = "who subscribes here connects to tls://, or by a tunnel"
_HEAD_BYTES = 10  # of what a peer begins with: a signature of ZMTP
_ALERTS = {
    "TLSV1_ALERT_UNKNOWN_CA": "the peer does not trust our certificate (unknown CA)",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the peer does not take our certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the peer does not take our certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the peer says that our certificate has expired",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the peer has shown no certificate",
}


class TlsRecords:
    """One side of one TLS connection; owned by one thread.

    Its mutable state: that of OpenSSL, what is to be sent by itself, and how much of a handshake
    has come.

    Args:
        context: of this side.
        server_name: of the other side, for a client: its certificate must have it. None = we are
            the server.

    Attributes:
        is_ready: whether the handshake is done, so that `seal()` may be called.
        has_ended: whether the peer has said that it will send nothing more.
    """

    __slots__ = ("_came", "_head", "_incoming", "_outgoing", "_tls", "has_ended", "is_ready")

    def __init__(self, context: SSLContext, server_name: str | None = None) -> None:
        self._incoming, self._outgoing = MemoryBIO(), MemoryBIO()
        self._tls = context.wrap_bio(
            *(self._incoming, self._outgoing),
            server_side=server_name is None,
            server_hostname=server_name,
        )
        self._came = 0
        self._head = b""  # of that, until the handshake is done
        self.is_ready = self.has_ended = False

    def begin(self) -> None:
        """Have the first words of a client in what is to be sent."""
        with suppress(SSLWantReadError):
            self._tls.do_handshake()

    def receive(self, data: bytes) -> bytes:
        """Take what has come, cut anywhere; returns the plain bytes that are whole by that.

        See `take_output()` afterwards, in any case.

        Raises:
            RemoteProtocolError: the peer speaks no TLS, or was refused, or refuses us, or something
                was changed on the way, or it has asked for too much; nothing more can be received.
                The text has nothing of it.
        """
        if not self.is_ready:
            self._came += len(data)
            self._head += data[: _HEAD_BYTES - len(self._head)]
            if self._came > HANDSHAKE_BYTES_MAX:
                raise RemoteProtocolError(
                    f"TLS: a handshake of more than {HANDSHAKE_BYTES_MAX:,} bytes"
                )
        self._incoming.write(data)
        try:
            if not self.is_ready:
                self._tls.do_handshake()
                self.is_ready, self._head = True, b""
            plain = self._read()
        except SSLWantReadError:
            plain = b""
        except SSLError as error:
            failure = _failure(error, self._head)
            if failure.is_none and self._tls.server_side:
                self._outgoing.write(_NOT_UNDERSTOOD)
            raise failure from None
        if self._outgoing.pending > SAID_BYTES_MAX:
            raise RemoteProtocolError("TLS: the peer goes on asking, and does not read the answers")
        return plain

    def _read(self) -> bytes:
        pieces = []
        while True:
            try:
                piece = self._tls.read(RECORD_BYTES)
            except SSLWantReadError:
                break
            except SSLZeroReturnError:
                piece = b""
            if not piece:
                self.has_ended = True
                break
            pieces.append(piece)
        return b"".join(pieces)

    def seal(self, data: bytes | memoryview) -> bytes:
        """Make a record of these bytes, or as many as it takes, to be sent once, and in any case.

        What was to be sent by itself comes before it.

        Raises:
            OSError: the connection is of no use any more.
        """
        done = self._tls.write(data)
        while done < len(data):  # where OpenSSL is set up to take one record at a time
            done += self._tls.write(memoryview(data)[done:])
        return self._outgoing.read()

    def take(self, plain: bytearray) -> bytes:
        """Make a record of the first bytes, which are removed; see `seal()`."""
        piece = bytes(plain[:RECORD_BYTES])
        del plain[:RECORD_BYTES]
        return self.seal(piece)

    @property
    def has_output(self) -> bool:
        """Whether something is to be sent by itself."""
        return self._outgoing.pending > 0

    def certificate(self) -> tuple[dict[str, Any], bytes]:
        """What the peer has shown, if it had to: as `ssl` tells it, and in DER."""
        told, der = self._tls.getpeercert(), self._tls.getpeercert(binary_form=True)
        return dict(told or {}), der or b""

    def take_output(self) -> bytes:
        """What is to be sent by itself, before anything else: of a handshake, or an alert."""
        return self._outgoing.read()

    def end(self) -> None:
        """Have it said that nothing more will be sent; to be sent like all else."""
        if self.is_ready:
            with suppress(SSLError):  # it waits for the peer to say the same, who need not
                self._tls.unwrap()


def _failure(error: SSLError, head: bytes) -> TlsError:
    reason, text = error.reason or "", f"TLS: {_said(error)}"
    is_none = reason in _NO_TLS
    is_zmtp = is_none and is_greeting(head)
    if is_zmtp:
        text += f", but ZMTP without it: {_CONNECT_BY_TLS}"
    elif is_none and is_http(head):
        text += ", but HTTP"
    if isinstance(error, SSLCertVerificationError):
        code, why = error.verify_code, error.verify_message
        return TlsError(text, reason, verify_code=code, verify_text=why)
    return TlsError(text, reason, is_none=is_none, is_zmtp=is_zmtp)


def _said(error: SSLError) -> str:
    """Why, in words that OpenSSL has in its tables."""
    reason = error.reason or ""
    if isinstance(error, SSLCertVerificationError):
        return f"the certificate of the peer is refused: {error.verify_message}"
    if reason in _NO_TLS:
        return "the peer speaks none"
    return _ALERTS.get(reason) or reason.lower().replace("_", " ") or "the connection is broken"
