"""Sessions by the protocol of the listener; those with keys when these have come."""

from __future__ import annotations

import errno
import gc
import os
import resource
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING
from weakref import ref

import pytest

from fanout.control.judging import Secure
from fanout.security.sodium import Sodium
from fanout.terms.introduction import Introduction
from fanout.workers.connections.sessions import (
    SESSIONS,
    Sessions,
    leave_no_core,
    of_curve,
)
from fanout.zmtp.boxes import CLIENT_TEXT, SERVER_TEXT, Counting
from fanout.zmtp.frames import COMMAND
from fanout.zmtp.opener import Opener
from fanout.zmtp.sealer import Sealer
from tests.helpers.certificates import SERVER, SERVER_KEY
from tests.helpers.limits import LIMITS

if TYPE_CHECKING:
    from fanout.zmtp.boxes import Primitives


def made() -> Sessions:
    around = SimpleNamespace(sessions=SESSIONS, leave_no_core=leave_no_core, primitives=of_curve)
    return Sessions(around, LIMITS, lambda: Introduction(1, 0, sequence=False))


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


@pytest.mark.parametrize("has_come", [False, True])
@pytest.mark.parametrize(
    ("protocol", "more"),
    [("zmtp+curve#1", []), ("zmtp+tls#1", [SERVER_KEY, b"", b""])],
)
def test_keys_of_an_endpoint_that_is_gone_are_let_go(
    monkeypatch: pytest.MonkeyPatch, protocol: str, more: list[bytes], has_come: bool
) -> None:
    monkeypatch.setattr(resource, "setrlimit", lambda *_both: None)
    sessions = made()
    secret = bytes(bytearray(SERVER if more else b"s" * 32))  # one of our own
    before = sys.getrefcount(secret)
    sessions.secure(Secure(protocol, [secret, *more]))
    sessions.secure(Secure("zmtp+curve#2", [b"t" * 32]))
    context = None
    if has_come:
        records = sessions.records(protocol)
        sessions.make(protocol, records)
        assert (records is None) is (not more)
        context = None if records is None else ref(records._tls.context)
        del records
    sessions.forget(protocol)
    gc.collect()
    assert sys.getrefcount(secret) == before
    assert context is None or context() is None
    with pytest.raises(KeyError):
        sessions.make(protocol, sessions.records(protocol))
    assert sessions.make("zmtp+curve#2").our_mechanism == "CURVE", "others stay"
    sessions.forget(protocol)


def test_what_cannot_be_had_now_is_tried_again_for_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The system may have no descriptor, or no memory, when the first connection by TLS comes."""
    monkeypatch.setattr(resource, "setrlimit", lambda *_both: None)
    sessions = made()
    sessions.secure(Secure("zmtp+tls#1", [SERVER, SERVER_KEY, b"", b""]))
    assert sessions.records("zmtp") is None

    def exhausted(*_given: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(os, "memfd_create", exhausted)
        for _ in range(2):
            with pytest.raises(OSError, match="Too many open files"):
                sessions.records("zmtp+tls#1")
    first, second = sessions.records("zmtp+tls#1"), sessions.records("zmtp+tls#1")
    assert first is not None
    assert first is not second


def test_keys_come_though_what_they_are_used_by_cannot_be_loaded_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where no descriptor is left; who comes by them is refused until it can."""
    monkeypatch.setattr(resource, "setrlimit", lambda *_both: None)
    full = OSError(errno.EMFILE, "Too many open files")
    left = [ImportError("libsodium"), full, full]

    def primitives() -> Primitives:
        if left:
            raise left.pop()
        return of_curve()

    around = SimpleNamespace(sessions=SESSIONS, leave_no_core=leave_no_core, primitives=primitives)
    sessions = Sessions(around, LIMITS, lambda: Introduction(1, 0, sequence=False))
    sessions.secure(Secure("zmtp+curve#1", [b"s" * 32]))
    for fails in (OSError, ImportError):
        with pytest.raises(fails):
            sessions.make("zmtp+curve#1")
    assert sessions.make("zmtp+curve#1").our_mechanism == "CURVE"


def test_what_keys_are_used_by_is_loaded_before_anybody_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes a tenth of a second, in which nobody else would be served."""
    monkeypatch.setattr(resource, "setrlimit", lambda *_both: None)
    made: list[Primitives] = []
    asked: list[bytes] = []

    class Noting(Sodium):
        def public_of(self, secret: bytes) -> bytes:
            asked.append(secret)
            return super().public_of(secret)

    def primitives() -> Primitives:
        made.append(Noting())
        return made[-1]

    around = SimpleNamespace(sessions=SESSIONS, leave_no_core=leave_no_core, primitives=primitives)
    sessions = Sessions(around, LIMITS, lambda: Introduction(1, 0, sequence=False))
    sessions.secure(Secure("zmtp+curve#1", [b"s" * 32]))
    assert (len(made), asked) == (1, [b"s" * 32])
    sessions.make("zmtp+curve#1")
    assert (len(made), asked) == (1, [b"s" * 32])


def test_whose_handshake_was_done_by_another_worker_needs_no_keys_of_the_publisher(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = []
    monkeypatch.setattr(resource, "setrlimit", lambda *both: limits.append(both))
    key, sodium = b"k" * 32, Sodium()
    subscribed = Sealer(sodium, key, CLIENT_TEXT, 7).seal(COMMAND, b"\x09SUBSCRIBEtopic")
    session = made().in_boxes(key, 5, 7, subscribed[:9])
    session.go_on("3.1", [b"before"])
    assert session.subscriptions == {b"before"}
    session.receive_data(subscribed[9:])
    assert session.subscriptions == {b"before", b"topic"}
    assert session.sealer is not None
    opener = Opener(sodium, key, SERVER_TEXT, Counting(5), 100)
    assert opener.open(session.sealer.seal(0, b"next")) == b"\0\4next"
    assert limits == [(resource.RLIMIT_CORE, (0, 0))]
