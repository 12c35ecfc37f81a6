"""What TLS needs is loaded when its endpoint comes; what cannot be costs one his connection."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from fanout.control.judging import Secure
from fanout.control.messages import Adopt, Closed
from fanout.options import Options
from fanout.reasons import Reason
from fanout.workers.connections.adopting import secure
from fanout.workers.worker import Worker
from tests.helpers.around import Around
from tests.helpers.certificates import SERVER, SERVER_KEY
from tests.helpers.log import SMALL

if TYPE_CHECKING:
    import pytest

PROTOCOL = "zmtp+tls#1"
TLS = "fanout.workers.connections.tls"
SECRETS = [SERVER, SERVER_KEY, b"", b""]

LOADING = f"""
import sys
from types import SimpleNamespace
from fanout.control.judging import Secure
from fanout.terms.introduction import Introduction
from fanout.workers.connections.adopting import secure
from fanout.workers.connections.sessions import SESSIONS, Sessions
from tests.helpers.limits import LIMITS
around = SimpleNamespace(sessions=SESSIONS, leave_no_core=lambda: None, primitives=None)
sessions = Sessions(around, LIMITS, lambda: Introduction(1, 0, sequence=False))
wanted = ["ssl", "fanout.security.tls", {TLS!r}]
assert not [name for name in wanted if name in sys.modules], "it is loaded for nobody"
secure(Secure({PROTOCOL!r}, {SECRETS!r}), sessions)
before = set(sys.modules)
assert before.issuperset(wanted), before
sessions.make({PROTOCOL!r}, sessions.records({PROTOCOL!r}))
assert set(sys.modules) == before, set(sys.modules) - before
"""


def test_it_is_loaded_before_anybody_comes() -> None:
    """It takes a tenth of a second, in which nobody else would be served."""
    subprocess.run([sys.executable, "-c", LOADING], check=True)


def test_where_it_cannot_be_loaded_one_is_given_back_and_the_worker_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resource, "setrlimit", lambda *_both: None)
    around = Around(SMALL)
    worker = Worker(Options(), around)
    with closing(around), monkeypatch.context() as patched:
        patched.setitem(sys.modules, TLS, None)  # that is how it fails
        secure(Secure(PROTOCOL, SECRETS), worker.desk.sessions)
        ours, far = socket.socketpair()
        around.sockets[ours.fileno()] = ours
        with far:
            worker.desk.adopt(Adopt(7, 3, PROTOCOL, 5), [ours.fileno()])
        (closed,) = around.channel.sent
        assert isinstance(closed, Closed)
        assert (closed.cause, closed.debt) == (Reason.NO_RESOURCES.number, 5)
        assert closed.reason.startswith("TLS cannot begin: ")
        assert (worker.desk.peers, ours.fileno()) == ({}, -1)
        patched.undo()
        ours, far = socket.socketpair()
        around.sockets[ours.fileno()] = ours
        with ours, far:
            worker.desk.adopt(Adopt(8, 4, PROTOCOL, 0), [ours.fileno()])
            assert list(worker.desk.peers) == [8]
