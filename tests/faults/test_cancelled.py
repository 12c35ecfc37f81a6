"""A worker whose task is cancelled, whoever does that: others go on with its subscribers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout import EventKind, Publisher
from fanout.basics.exits import Exit
from tests.helpers.happenings import Happenings
from tests.helpers.inside import run_at_the_next_timer
from tests.helpers.raw import RawPeer
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

# The first worker that finds the file removes it, and is the only one that is cancelled.
CANCELS = """
def act():
    import asyncio, os
    try:
        os.unlink({path!r})
    except FileNotFoundError:
        return
    for task in asyncio.all_tasks():
        task.cancel()
"""


def expect(publisher: Publisher, peers: list[RawPeer], first: int, stop: int) -> None:
    """Each of them gets each of these numbers, once and in order."""
    for number in range(first, stop):
        publisher.publish(b"T", b"%d" % number)
    for peer in peers:
        for number in range(first, stop):
            assert peer.read_message() == [b"T", b"%d" % number]


def test_others_go_on_with_its_subscribers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    source = CANCELS.format(path=str(tmp_path / "now"))
    trigger = run_at_the_next_timer(source, tmp_path, monkeypatch)
    happenings = Happenings()
    with (
        Publisher("tcp://127.0.0.1:*", workers=2, log_bytes=1 << 20, on_event=happenings) as feed,
        RawPeer.version_3(feed.endpoints[0], b"T") as one,
        RawPeer.version_3(feed.endpoints[0], b"T") as other,
    ):
        feed.wait_for_subscribers(2, timeout=DEADLINE_S)
        assert {each.worker for each in feed.subscribers()} == {0, 1}
        expect(feed, [one, other], 0, 50)
        trigger.touch()
        (lost,) = happenings.wait_for(EventKind.WORKER_LOST)
        expect(feed, [one, other], 50, 100)
        assert lost.exit_code == Exit.BUG
        assert feed.statistics().resumed == 1
        assert not happenings.of(EventKind.SUBSCRIBER_EVICTED)
        assert not happenings.of(EventKind.SUBSCRIBER_DISCONNECTED)
    assert "CancelledError" in capfd.readouterr().err
