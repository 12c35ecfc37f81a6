"""Why a connection is over, for people: above all who has to change what. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.zmtp import SessionState
from fanout.zmtp.errors import Refusal

if TYPE_CHECKING:
    from fanout.subscriber.feed import Feed
    from fanout.zmtp import Violation

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
_DENIED = {PLAIN: "user and password of this subscriber", CURVE: "the key of this subscriber"}


class LostError(Exception):
    """This connection is over, for the reason in the text; the next one may work.

    Attributes:
        violation: why the publisher could not be understood; "" if it could.
        refused: it does not go together with this subscriber; somebody has to change something.
    """

    def __init__(self, text: str, *, violation: str = "", refused: bool = False) -> None:
        super().__init__(text)
        self.violation = violation
        self.refused = refused


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
    if feed.state is not SessionState.HANDSHAKE:
        return LostError(problem)
    if feed.awaits_verdict:
        return LostError(PUT_OFF_TEXT)
    if feed.our_mechanism == CURVE:
        return LostError(NO_WELCOME_TEXT, refused=True)
    return LostError(problem)
