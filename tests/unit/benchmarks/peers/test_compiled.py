"""The adapter of compiled publishers against a program that behaves as it is told."""

from __future__ import annotations

import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import psutil
import pytest

from benchmarks.peers import PEERS, PeerKind, compiled
from benchmarks.peers.compiled import CompiledPeer
from benchmarks.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Iterator

LISTENS = """
import sys
topics = input().split()
print(4711, flush=True)
for line in sys.stdin:
    print(f"{sys.argv[1:]} {topics} {line.split()}", file=sys.stderr, flush=True)
    if "end it" in line:
        sys.exit(3)
    print("done", flush=True)
"""


@contextmanager
def running(monkeypatch: pytest.MonkeyPatch, source: str) -> Iterator[CompiledPeer]:
    monkeypatch.setattr(compiled, "command", lambda _: [sys.executable, "-c", source])
    traffic = Traffic(3, 128, topics=2, stalled=1)
    with closing(CompiledPeer("toy", traffic, threads=2, extra=lambda: "library")) as peer:
        yield peer


def test_it_is_told_the_load_and_what_to_publish(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(monkeypatch, LISTENS) as peer:
        assert peer.start() == ["127.0.0.1:4711"]
        peer.send(b"topic", b"payload")
        peer.publish(1000)
        with pytest.raises(OSError, match="ended with 3") as caught:
            peer.send(b"end", b"it")
    told = str(caught.value)
    topics = [topic.decode() for topic in peer.traffic.schedule]
    assert f"['4', '128', '2', 'library'] {topics} ['send', 'topic', 'payload']" in told
    assert "['publish', '1000']" in told


def test_the_program_is_what_counts_and_ends_with_the_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(monkeypatch, LISTENS) as peer:
        peer.start()
        assert psutil.Process(peer.pid).cmdline()[1] == "-c"
    assert not psutil.pid_exists(peer.pid)


def test_a_program_that_cannot_listen_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        running(monkeypatch, "import sys; sys.exit('no such engine')") as peer,
        pytest.raises(OSError, match="ended with 1: no such engine"),
    ):
        peer.start()


@pytest.mark.parametrize(
    "kind", [kind for kind in PEERS.values() if kind.program], ids=lambda kind: kind.name
)
def test_each_program_has_an_adapter_of_its_own(kind: PeerKind) -> None:
    module, _, name = kind.location.partition(":")
    assert module == compiled.__name__
    assert getattr(compiled, name).args == (kind.program,)
