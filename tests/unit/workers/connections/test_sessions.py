"""Sessions by the protocol of the listener; those with keys when these have come."""

from __future__ import annotations

import resource

import pytest

from fanout.control.judging import Secure
from fanout.introduction import Introduction
from fanout.workers.connections.sessions import SESSIONS, Sessions
from tests.helpers.limits import LIMITS


def made() -> Sessions:
    return Sessions(SESSIONS, LIMITS, lambda: Introduction(1, 0, sequence=False))


def test_by_protocol() -> None:
    sessions = made()
    assert sessions.make("zmtp").our_mechanism == "NULL"
    assert sessions.make("zmtp+plain").our_mechanism == "PLAIN"


def test_with_keys_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = []
    monkeypatch.setattr(resource, "setrlimit", lambda *both: limits.append(both))
    sessions = made()
    with pytest.raises(KeyError):
        sessions.make("zmtp+curve#1")
    sessions.secure(Secure("zmtp+curve#1", [b"s" * 32]))
    first, second = sessions.make("zmtp+curve#1"), sessions.make("zmtp+curve#1")
    assert first.our_mechanism == "CURVE"
    assert first is not second
    assert limits == [(resource.RLIMIT_CORE, (0, 0))]
    with pytest.raises(KeyError):
        sessions.make("zmtp+curve#2")
