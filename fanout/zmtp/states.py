"""The life of a connection, as a table. Both halves (publisher, subscriber) use it.

    GREETING    the 64 bytes (or fewer, from an older peer) that tell version and mechanism
       │ GREETED                               │ UNFRAMED: a ZMTP 1.0 peer, which has no handshake
    HANDSHAKE   one READY from each side       │
       │  │ ASKED ▲ ALLOWED                    │   PLAIN, CURVE: somebody has to judge the peer
       │  ▼       │                            │
       │ AUTHENTICATING   nothing is read      │
       │ PEER_READY                            │
    TRAFFIC ◄──────────────────────────────────┘   messages, subscriptions, heartbeats
       │ FAILED (from every state)
    CLOSED      for ever; input is ignored

Only this file changes a state. It knows bytes of no kind, and not which half asks.
"""

from __future__ import annotations

from enum import Enum

from fanout.zmtp.errors import LocalProtocolError


class SessionState(Enum):
    """Where a connection stands."""

    GREETING = "greeting"
    HANDSHAKE = "handshake"
    AUTHENTICATING = "authenticating"
    TRAFFIC = "traffic"
    CLOSED = "closed"


class SessionStep(Enum):
    """What moves a connection on."""

    GREETED = "greeted"
    UNFRAMED = "unframed"
    ASKED = "asked"
    ALLOWED = "allowed"
    PEER_READY = "peer ready"
    FAILED = "failed"


TRANSITIONS: dict[SessionState, dict[SessionStep, SessionState]] = {
    SessionState.GREETING: {
        SessionStep.GREETED: SessionState.HANDSHAKE,
        SessionStep.UNFRAMED: SessionState.TRAFFIC,
        SessionStep.FAILED: SessionState.CLOSED,
    },
    SessionState.HANDSHAKE: {
        SessionStep.ASKED: SessionState.AUTHENTICATING,
        SessionStep.PEER_READY: SessionState.TRAFFIC,
        SessionStep.FAILED: SessionState.CLOSED,
    },
    SessionState.AUTHENTICATING: {
        SessionStep.ALLOWED: SessionState.HANDSHAKE,
        SessionStep.FAILED: SessionState.CLOSED,
    },
    SessionState.TRAFFIC: {
        SessionStep.FAILED: SessionState.CLOSED,
    },
    SessionState.CLOSED: {},
}


def advance(state: SessionState, step: SessionStep) -> SessionState:
    """Return the state after `step`.

    Raises:
        LocalProtocolError: the table has no such transition.
    """
    try:
        return TRANSITIONS[state][step]
    except KeyError:
        raise LocalProtocolError(f"{step} cannot happen in {state}") from None
