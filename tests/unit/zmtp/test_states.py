"""The table of transitions: every state times every step."""

from __future__ import annotations

import itertools

import pytest

from fanout.zmtp import LocalProtocolError, SessionState
from fanout.zmtp.states import SessionStep, advance

LEGAL = {
    (SessionState.GREETING, SessionStep.GREETED): SessionState.HANDSHAKE,
    (SessionState.GREETING, SessionStep.UNFRAMED): SessionState.TRAFFIC,
    (SessionState.HANDSHAKE, SessionStep.PEER_READY): SessionState.TRAFFIC,
    (SessionState.GREETING, SessionStep.FAILED): SessionState.CLOSED,
    (SessionState.HANDSHAKE, SessionStep.ASKED): SessionState.AUTHENTICATING,
    (SessionState.AUTHENTICATING, SessionStep.ALLOWED): SessionState.HANDSHAKE,
    (SessionState.AUTHENTICATING, SessionStep.FAILED): SessionState.CLOSED,
    (SessionState.HANDSHAKE, SessionStep.FAILED): SessionState.CLOSED,
    (SessionState.TRAFFIC, SessionStep.FAILED): SessionState.CLOSED,
}


@pytest.mark.parametrize(("state", "step"), list(itertools.product(SessionState, SessionStep)))
def test_transition(state: SessionState, step: SessionStep) -> None:
    if (state, step) in LEGAL:
        assert advance(state, step) is LEGAL[state, step]
    else:
        with pytest.raises(LocalProtocolError):
            advance(state, step)
