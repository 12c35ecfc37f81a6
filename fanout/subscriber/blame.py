"""Why a connection is over, for people: above all who has to change what. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.security.tls_error import TlsError
from fanout.zmtp import SessionState
from fanout.zmtp.errors import Refusal

if TYPE_CHECKING:
    from fanout.subscriber.feed import Feed
    from fanout.transport.endpoints import Endpoint
    from fanout.zmtp import RemoteProtocolError, Violation

CURVE, PLAIN = "CURVE", "PLAIN"
CLOSED_TEXT = "the publisher closed the connection"
NO_WELCOME_TEXT = (
    f"{CLOSED_TEXT} and answered nothing: mostly the public key that this subscriber knows it by "
    "is not its own"
)
PUT_OFF_TEXT = (
    f"{CLOSED_TEXT} and did not say whether this subscriber may come: it is put off, or the "
    "publisher's check has failed"
)
SAID_NOTHING_TEXT = (
    f"{CLOSED_TEXT} before it said anything: it serves nobody more, or is no publisher; one that "
    "speaks TLS is connected to by tls://"
)
DESERTED = "the connection that was to bring what is missing here is lost, too"
CUT_SHORT_TEXT = f"{CLOSED_TEXT} before TLS was agreed on"
_DENIED = {PLAIN: "user and password of this subscriber", CURVE: "the key of this subscriber"}


class LostError(Exception):
    """This connection is over, for the reason in the text; the next one may work.

    Attributes:
        violation: why the publisher could not be understood; "" if it could.
        refused: it does not go together with this subscriber; somebody has to change something.
        over_limit: something was too large, and nobody knows where what follows it begins.
    """

    def __init__(
        self, text: str, *, violation: str = "", refused: bool = False, over_limit: bool = False
    ) -> None:
        super().__init__(text)
        self.violation = violation
        self.refused = refused
        self.over_limit = over_limit


def why_refused(violation: Violation, ours: str) -> LostError:
    """A refusal.

    Args:
        ours: the mechanism of the subscriber.
    """
    return LostError(_refusal(violation, ours), violation=violation.reason, refused=True)


def _refusal(violation: Violation, ours: str) -> str:
    said = violation.said
    if violation.refusal is Refusal.MECHANISM:
        return (
            f"the endpoint of the publisher has {said}, and this subscriber {ours}: both must have "
            "the same security"
        )
    if violation.refusal is Refusal.SOCKET_TYPE:
        return (
            f"who answers there is no publisher, but a socket of the type {said}: connect to an "
            "endpoint of a PUB or XPUB socket, or of a fanout.Publisher, and to none of its "
            "ingest() or answer()"
        )
    if violation.refusal is Refusal.TLS:
        return "who answers there speaks TLS: connect to tls://, or bind the publisher to tcp://"
    if violation.refusal is Refusal.KEY:
        return (
            "who answers there has not the secret key that belongs to the public key that this "
            "subscriber knows the publisher by: that one is wrong, or it is not the publisher"
        )
    if said.startswith("5"):  # RFC 27: 500 is a fault of who judges
        return f"the publisher cannot judge who comes: its check has failed (ERROR {said})"
    return f"the publisher denies {_DENIED.get(ours, 'this subscriber')} (ERROR {said})"


def why_ended(feed: Feed, problem: str = CLOSED_TEXT) -> LostError:
    """The publisher has closed the connection, or broken it.

    Args:
        feed: where that stands.
        problem: what is known, if the place says nothing.
    """
    if feed.knows_our_mechanism_only:  # libzmq hangs up there, often before it has told its own
        text = f"{CLOSED_TEXT} when it was told of {feed.our_mechanism}: mostly it has another "
        return LostError(f"{text}mechanism, and both must have the same security", refused=True)
    if feed.has_heard_nothing and problem == CLOSED_TEXT:
        return LostError(SAID_NOTHING_TEXT)
    if feed.cut_short and problem == CLOSED_TEXT:
        return LostError(f"{CLOSED_TEXT}: it {feed.cut_short}")
    if feed.state is not SessionState.HANDSHAKE:
        return LostError(problem)
    if feed.awaits_verdict:
        return LostError(PUT_OFF_TEXT)
    if feed.our_mechanism == CURVE:
        return LostError(NO_WELCOME_TEXT, refused=True)
    return LostError(problem)


def why_no_tls(error: RemoteProtocolError, endpoint: Endpoint) -> LostError:
    """TLS with a publisher has failed.

    Args:
        endpoint: where it was looked for.
    """
    text = _failure(error, endpoint) if isinstance(error, TlsError) else str(error)
    return LostError(text, violation=str(error), refused=True)


_NAME_CODES = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_ISSUER_CODES = (2, 18, 19, 20, 21)  # all that say of a chain that it ends with nobody known
_TIME_CODES = {9: "is not valid yet", 10: "has expired"}
_OUR_CERTIFICATE = "the certificate of this subscriber"
_ALERTS = {  # what the publisher says, as OpenSSL calls it
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the publisher serves only who shows a certificate: give "
    "this subscriber one, and its private key",
    "TLSV1_ALERT_UNKNOWN_CA": f"the publisher does not trust {_OUR_CERTIFICATE}: it must be signed "
    "by one of those in the publisher's client_ca",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": f"{_OUR_CERTIFICATE} has expired, says the publisher",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": f"{_OUR_CERTIFICATE} is revoked, says the publisher",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the publisher has no TLS that this subscriber has, or serves "
    "only who shows a certificate",  # so it is said by TLS 1.2
    "TLSV1_ALERT_PROTOCOL_VERSION": "the publisher has no version of TLS that this subscriber has",
}


def _failure(error: TlsError, endpoint: Endpoint) -> str:
    code, theirs = error.verify_code, "the certificate of the publisher"
    if code in _NAME_CODES:
        return (
            f"{theirs} does not have the name that this subscriber expects at {endpoint} "
            f"({error.verify_text}): connect by a name that it has, or say which by server_name"
        )
    if code in _ISSUER_CODES:
        return (
            f"{theirs} is signed by nobody whom this subscriber trusts ({error.verify_text}): "
            "its ca must have who has signed it, or that certificate itself; or it is not the "
            "publisher"
        )
    if code in _TIME_CODES:
        return f"{theirs} {_TIME_CODES[code]}: it needs another, or a clock is wrong"
    if code:
        return f"{theirs} is refused: {error.verify_text}"
    if error.is_none:
        return "who answers there speaks no TLS: connect to tcp://, or bind the publisher to tls://"
    if error.reason in _ALERTS:
        return _ALERTS[error.reason]
    if "CERTIFICATE" in error.reason and "ALERT" in error.reason:
        return f"the publisher does not take {_OUR_CERTIFICATE} ({error})"
    return f"TLS with the publisher has failed ({error})"
