"""The table of transitions: every state times every step."""

from __future__ import annotations

import itertools

import pytest

from fanout.zmtp import LocalProtocolError, SessionState
from fanout.zmtp.states import Step, advance

LEGAL = {
    (SessionState.GREETING, Step.GREETED): SessionState.HANDSHAKE,
    (SessionState.GREETING, Step.UNFRAMED): SessionState.TRAFFIC,
    (SessionState.HANDSHAKE, Step.PEER_READY): SessionState.TRAFFIC,
    (SessionState.GREETING, Step.FAILED): SessionState.CLOSED,
    (SessionState.HANDSHAKE, Step.ASKED): SessionState.AUTHENTICATING,
    (SessionState.AUTHENTICATING, Step.ALLOWED): SessionState.HANDSHAKE,
    (SessionState.AUTHENTICATING, Step.FAILED): SessionState.CLOSED,
    (SessionState.HANDSHAKE, Step.FAILED): SessionState.CLOSED,
    (SessionState.TRAFFIC, Step.FAILED): SessionState.CLOSED,
}


@pytest.mark.parametrize(("state", "step"), list(itertools.product(SessionState, Step)))
def test_transition(state: SessionState, step: Step) -> None:
    if (state, step) in LEGAL:
        assert advance(state, step) is LEGAL[state, step]
    else:
        with pytest.raises(LocalProtocolError):
            advance(state, step)
