"""What somebody speaks who speaks no ZMTP, by how he begins. Pure.

Each of these begins with bytes that are no ZMTP of any version: of 1.0 the first is a length, and
the second would be flags that the frame of an identity does not have: MORE, or others (`HTTP/`).
"""

from __future__ import annotations

from fanout.zmtp.errors import NoHandshakeError, Refusal

_HTTP = (
    *(b"GET ", b"PUT ", b"POST ", b"HEAD ", b"PATCH ", b"DELETE ", b"CONNECT ", b"OPTIONS "),
    *(b"TRACE ", b"PRI * HTTP/2"),  # the latter of who has agreed on HTTP/2 before, he believes
    b"HTTP/",  # what a server answers to whatever it does not understand
)
_TLS_RECORDS = (b"\x15", b"\x16")  # an alert, as of who does not understand us, or the first words
_TLS_MAJOR = b"\x03"


def is_http(head: bytes) -> bool:
    """Whether HTTP begins like that."""
    return head.startswith(_HTTP)


def is_undecided(head: bytes, *, allow_zmtp_1: bool) -> bool:
    """Whether more has to come before `foreigner()` can tell.

    An identity of ZMTP 1.0 that begins like that has more, too.
    """
    if allow_zmtp_1 and head in _TLS_RECORDS:
        return True
    return any(one.startswith(head) and one != head for one in _HTTP)


def foreigner(head: bytes, *, allow_zmtp_1: bool) -> NoHandshakeError | None:
    """Why there can be no handshake with who begins with this; None = it may be ZMTP 1.0."""
    if is_http(head):
        return NoHandshakeError("the peer speaks HTTP, not ZMTP", Refusal.HTTP)
    if head[:1] not in _TLS_RECORDS or (allow_zmtp_1 and head[1:2] != _TLS_MAJOR):
        return None
    return NoHandshakeError("the peer speaks TLS, and this is no tls:// endpoint", Refusal.TLS)
