"""What every engine with PLAIN or CURVE must do: served by the right words, and by no others."""

from __future__ import annotations

import time
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from fanout import EventKind, Publisher, auth
from fanout.security.z85 import z85_encode
from interoperation.foreign import Failed, Foreign
from interoperation.messages import numbered
from interoperation.steps import RETRY_S, SECONDS, deliver, subscribe, until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout import Event
    from interoperation.steps import Command

USER, PASSWORD = "desk7", "geheim42"
HEARTBEAT_S = 0.3
IDLE_S = 5 * HEARTBEAT_S
SIZES = (0, 1, 221, 222, 223, 255, 256, 65_536)  # around where a frame, or a box, gets a long head
TOPIC_SIZES = range(245, 257)
# With those before them less than 1,000, which is how many wait for a program of most engines: with
# CURVE JeroMQ 0.6.0 loses the one that finds no room. Policies are tried without a mechanism.
MESSAGES = 500
# After how long without another connection a subscriber is taken for one that has stopped. All
# that come back by themselves do so within a second.
STOPPED_S = 2.0
MANY = 3  # connections, after which one is taken for one that comes back for ever


class Keys(NamedTuple):
    """A pair, as Z85."""

    public: str
    secret: str


SERVER, OURS, OTHER = "server", "ours", "other"


@cache
def _pair(whose: str) -> Keys:
    """Always the same for each of these."""
    from nacl.bindings import crypto_box_keypair  # the help comes before it is installed

    del whose
    public, secret = crypto_box_keypair()
    return Keys(z85_encode(public), z85_encode(secret))


def _is_known(request: auth.Request) -> auth.Verdict:
    is_user = request.username == USER and request.password == PASSWORD
    if is_user or (request.public_key and request.public_key == _pair(OURS).public):
        return auth.Allow(USER)
    return auth.Deny("unknown")


def _plain() -> auth.Security:
    return auth.Plain(_is_known)


def _curve() -> auth.Security:
    return auth.Curve(_pair(SERVER).secret, _is_known)


def _user(password: str) -> list[str]:
    return [f"plain_user={USER}", f"plain_password={password}"]


def _keys(server: str, own: str) -> list[str]:
    public, secret = _pair(own)
    return [
        f"curve_server={_pair(server).public}",
        f"curve_public={public}",
        f"curve_secret={secret}",
    ]


def plain(command: Command) -> str:
    """With its password: all sizes, empty parts, topics of 245 to 256 bytes, heartbeats."""
    return _is_served(command, _plain(), _user(PASSWORD))


def curve(command: Command) -> str:
    """The same with its keys, in boxes."""
    return _is_served(command, _curve(), _keys(SERVER, OURS))


def plain_wrong(command: Command) -> str:
    """With a wrong password: is denied, and does not come again."""
    return _is_refused(command, _plain(), _user("wrong"))


def curve_denied(command: Command) -> str:
    """With a key that the check does not know: the same."""
    return _is_refused(command, _curve(), _keys(SERVER, OTHER))


def curve_wrong_server(command: Command) -> str:
    """With another key of the publisher: gets nothing; from the second time on it is held."""
    return _is_refused(command, _curve(), _keys(OTHER, OURS), most=2)


def plain_null(command: Command) -> str:
    """Without a mechanism where PLAIN is asked for: gets nothing, and does not come again."""
    return _is_refused(command, _plain(), [])


def curve_null(command: Command) -> str:
    """The same where CURVE is."""
    return _is_refused(command, _curve(), [])


def _is_served(command: Command, security: auth.Security, words: Sequence[str]) -> str:
    beating = [*words, f"heartbeats={int(HEARTBEAT_S * 1000)}"]
    with (
        Publisher(
            "tcp://127.0.0.1:*",
            security=security,
            slow_policy="block",
            heartbeat_interval=HEARTBEAT_S,
        ) as publisher,
        Foreign(command, publisher.endpoints[0], *beating) as it,
    ):
        subscribe(publisher, it, "n", "t")
        messages = [[b"n%d" % size, b"", b"x" * size] for size in SIZES]
        messages += [[b"n", b"", b""], *([b"t" * size, b""] for size in TOPIC_SIZES)]
        deliver(publisher, it, messages)
        time.sleep(IDLE_S)  # in which both sides ask for signs of life
        deliver(publisher, it, (numbered(number, 50) for number in range(MESSAGES)))
        users = [one.user for one in publisher.subscribers()]
        if users != [USER]:
            raise Failed(f"its user is {users}, not {USER!r}")
        accepted = publisher.statistics().accepted
        if accepted != 1:
            raise Failed(f"it has connected {accepted} times; it said: {it.said()}")
        return _seen(accepted, it)


def _is_refused(
    command: Command, security: auth.Security, words: Sequence[str], most: int = 1
) -> str:
    """It is not served, and comes so many times at most.

    Raises:
        Failed: that is not so.
    """
    happened: list[Event] = []
    with Publisher("tcp://127.0.0.1:*", security=security, on_event=happened.append) as publisher:
        endpoint = publisher.endpoints[0]
        is_served = False
        try:
            with Foreign(command, endpoint, *words) as it:
                it.tell("subscribe n")
                until(lambda: publisher.statistics().failed_handshakes > 0, "being refused")
                accepted = _settled(publisher)
                publisher.publish("n", b"not for it")
                is_served = bool(publisher.subscribers() or it.take())
                note = _seen(accepted, it)
        except Failed:
            if not publisher.statistics().failed_handshakes or publisher.subscribers():
                raise
            accepted = _settled(publisher)
            note = f"{_connections(accepted)}, then the program ended by itself"
        if is_served:
            raise Failed("it is served")
        if accepted > most:
            raise Failed(f"it came {accepted} times in {SECONDS:g} s and less: {note}")
        causes = Counter(
            event.cause.label
            for event in happened
            if event.kind is EventKind.HANDSHAKE_FAILED and event.cause is not None
        )
        return f"{note}; {', '.join(sorted(causes))}"


def _settled(publisher: Publisher) -> int:
    """How often somebody has connected, when nobody has for a while, or many have."""
    last, since = -1, time.monotonic()
    while time.monotonic() - since < STOPPED_S and last < MANY:
        accepted = publisher.statistics().accepted
        if accepted != last:
            last, since = accepted, time.monotonic()
        time.sleep(RETRY_S)
    return last


def _connections(accepted: int) -> str:
    return f"{accepted} connection{'s' * (accepted != 1)}"


def _seen(accepted: int, it: Foreign) -> str:
    """The connections as the publisher counts them, and what the monitor of the peer has told."""
    told = ", ".join(f"{name} {count}" for name, count in sorted(it.events().items()))
    return f"{_connections(accepted)}; {told or 'it has no monitor'}"
