"""Workers are killed and stopped at full rate, and no subscriber notices.

Each compares every byte of its stream with what it must get; PINGs, of which some are cut anywhere,
are answered once and in order.
"""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest

from fanout import EventKind, Publisher, PublisherStatistics, Reason
from fanout.coordinator.takeovers import MAY_HAVE_SENT
from tests.helpers.checked import Audience, Checked, message
from tests.helpers.happenings import Happenings
from tests.helpers.raw import RawPeer
from tests.helpers.slow import Slow, SlowAudience
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

KIB, MIB = 1024, 1024 * 1024
PREFIXES = (b"", b"T1", b"T", b"U", b"T3")
PINGS_EACH = 40  # messages for one PING
NEVER_S = 600.0


class Faults:
    """A publisher with two workers that something happens to while it publishes at full rate.

    Args:
        worker_timeout: in seconds; of a worker that is to be found hanging. On a busy machine one
            that does not hang may have no turn for a second.
        ipc: of that endpoint is every other subscriber, too.
    """

    def __init__(
        self, subscribers: int, seed: int, worker_timeout: float = NEVER_S, *, ipc: str = ""
    ) -> None:
        self.rng = random.Random(seed)
        self.happenings = Happenings()
        self.publisher = Publisher(
            ["tcp://127.0.0.1:*", *filter(None, [ipc])],
            workers=2,
            slow_policy="block",
            log_bytes=16 * MIB,
            kernel_queue_bytes=32 * KIB,
            heartbeat_interval=0,
            worker_timeout=worker_timeout,
            # The reader of all has the interpreter only now and then, and nobody is to be evicted.
            send_timeout=NEVER_S,
            stall_timeout=NEVER_S,
            tcp_user_timeout=NEVER_S,
            on_event=self.happenings,
        )
        endpoints = self.publisher.endpoints
        self.audience = Audience(
            Checked(
                endpoints[index % len(endpoints)],
                PREFIXES[index % len(PREFIXES)],
                (0, 0, 8 * KIB)[index % 3],
            )
            for index in range(subscribers)
        )
        self.publisher.wait_for_subscribers(subscribers, timeout=DEADLINE_S)
        self.published = 0

    def pids(self) -> list[int]:
        """Of the workers that run."""
        return [link.pid for link in self.publisher._engine._coordinator.links if link.pid]

    def hit(self, pids: Iterable[int], by: signal.Signals) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, by)

    def publish_for(self, seconds: float, *, pings: bool = True) -> None:
        """Publish as fast as there is room, for so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.audience.wrong:
            self.publisher.publish(*message(self.published), timeout=DEADLINE_S)
            self.published += 1
            if pings and self.published % PINGS_EACH == 0:
                one = self.rng.choice(self.audience.subscribers)
                one.ping(cut=self.rng.choice((0, 0, 3, 9)))

    def publish_until(self, is_so: Callable[[], bool], *, pings: bool = True) -> None:
        """The same, until something is so."""
        until = time.monotonic() + DEADLINE_S
        while not is_so() and not self.audience.wrong:
            assert time.monotonic() < until, "it does not come to that"
            self.publish_for(0.02, pings=pings)

    def has_lost(self, count: int) -> bool:
        """Whether so many workers were lost so far, and some run."""
        return len(self.happenings.of(EventKind.WORKER_LOST)) >= count and self.pids() != []

    def end(self) -> None:
        """Everybody has got everything, and nobody was closed."""
        for one in self.audience.subscribers:
            one.say_the_rest()
        self.audience.wait_for(self.published)
        totals = self.publisher.statistics()
        assert self.audience.wrong == []
        assert (totals.evicted, totals.disconnected, totals.discarded) == (0, 0, 0)
        assert totals.matched == totals.sent
        assert totals.matched_bytes == totals.sent_bytes


def test_streams_go_on_at_full_rate_when_a_worker_is_killed_again_and_again() -> None:
    faults = Faults(50, 1)
    with faults.publisher as publisher, faults.audience:
        for kills in range(1, 5):
            faults.publish_for(0.3)
            faults.hit([faults.rng.choice(faults.pids())], signal.SIGKILL)
            faults.publish_until(partial(faults.has_lost, kills))
        faults.end()
        totals = publisher.statistics()
        assert totals.takeovers >= 1
        assert totals.resumed >= 25
        assert totals.not_resumed == 0


def test_ipc_subscribers_go_on_beside_those_of_tcp_but_for_one_of_each_lost_worker(
    tmp_path: Path,
) -> None:
    """That is the one that it was just sending to; all else of it came once and in order."""
    faults = Faults(24, 3, ipc=f"ipc://{tmp_path}/feed")
    with faults.publisher as publisher, faults.audience:
        for kills in range(1, 5):
            faults.publish_for(0.2)
            faults.hit([faults.rng.choice(faults.pids())], signal.SIGKILL)
            faults.publish_until(partial(faults.has_lost, kills))
        for one in faults.audience.subscribers:
            one.say_the_rest()
        faults.audience.wait_for(faults.published)
        ended = [one for one in faults.audience.subscribers if one.has_ended]
        totals = publisher.statistics()
        evicted = faults.happenings.wait_for(EventKind.SUBSCRIBER_EVICTED, totals.evicted)

    assert faults.audience.wrong == []
    assert {event.reason.partition("; ")[2] for event in evicted} <= {MAY_HAVE_SENT}
    assert totals.not_resumed == totals.evicted == len(evicted) == len(ended) <= 4
    assert totals.resumed >= 12
    assert totals.matched == totals.sent + totals.discarded


@pytest.mark.parametrize("what", ["stopped", "both killed", "killed during a takeover"])
def test_streams_go_on_when(what: str) -> None:
    faults = Faults(20, 2, 1.0 if what == "stopped" else NEVER_S)
    ledger = faults.publisher._engine._coordinator.state.ledger
    with faults.publisher, faults.audience:
        faults.publish_for(0.2)
        before = faults.pids()
        if what == "stopped":
            faults.hit(before[:1], signal.SIGSTOP)
        elif what == "both killed":
            faults.hit(before, signal.SIGKILL)
        else:
            faults.hit(before[:1], signal.SIGKILL)
            waiting = faults.publisher._engine._coordinator.state.takeovers
            faults.publish_until(lambda: waiting.pending or ledger.resumed > 0, pings=False)
            faults.hit(before[1:], signal.SIGKILL)
        faults.publish_until(lambda: ledger.resumed >= 10)
        faults.publish_for(0.2)
        faults.end()


def test_who_cannot_go_on_is_closed_and_counted_and_the_others_go_on() -> None:
    """Of one a part of a large frame is lost with the worker; one is half open."""
    happenings = Happenings()
    with Publisher(
        "tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20, on_event=happenings
    ) as publisher:
        (endpoint,) = publisher.endpoints
        with (
            RawPeer.version_3(endpoint, b"A") as well,
            RawPeer.version_3(endpoint, b"A") as broken,
            RawPeer(endpoint) as half_open,
        ):
            publisher.wait_for_subscribers(2, timeout=DEADLINE_S)
            broken.say_half()
            wait_until(lambda: publisher.statistics().accepted == 3, "the third")
            os.kill(publisher.statistics().workers[0].pid, signal.SIGKILL)
            publisher.publish(b"A", b"1")
            (evicted,) = happenings.wait_for(EventKind.SUBSCRIBER_EVICTED)
            (lost,) = happenings.wait_for(EventKind.WORKER_LOST)
            (failed,) = happenings.wait_for(EventKind.HANDSHAKE_FAILED)

            assert well.read_message() == [b"A", b"1"]
            assert broken.read_to_end() == b""
            assert half_open.read_to_end()[:10] != b""
            assert "not acted upon" in evicted.reason
            assert (evicted.subscriber, evicted.discarded, evicted.exact) == (2, 1, True)
            assert failed.subscriber == 3
            assert "2 of its 2 subscribers can go on" in lost.reason
            totals = publisher.statistics()
            assert (totals.takeovers, totals.resumed, totals.not_resumed) == (1, 1, 1)
            assert (totals.matched, totals.sent, totals.discarded) == (2, 1, 1)


def test_who_is_disconnected_is_closed_though_the_worker_that_was_told_is_lost() -> None:
    """It was told, and stopped: it dies before it has read that."""
    happenings = Happenings()
    with (
        Publisher(
            "tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20, on_event=happenings
        ) as publisher,
        RawPeer.version_3(publisher.endpoints[0], b"A") as peer,
    ):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        (subscriber,) = publisher.subscribers()
        (worker,) = publisher.statistics().workers
        os.kill(worker.pid, signal.SIGSTOP)
        assert publisher.disconnect(subscriber.id, "enough")
        os.kill(worker.pid, signal.SIGKILL)
        (evicted,) = happenings.wait_for(EventKind.SUBSCRIBER_EVICTED)

        assert (evicted.cause, peer.read_to_end()) == (Reason.DISCONNECTED_BY_CALL, b"")


CHOICES = (
    (),
    (b"\x00fanout.policy=drop_newest", b"\x00fanout.limit_messages=50"),
    (b"\x00fanout.policy=conflate", b"\x00fanout.gap=all", b"\x00fanout.gap"),
    (b"\x00fanout.policy=conflate", b"\x00fanout.min_interval=0.05"),
    (b"\x00fanout.gap", b"\x00fanout.name=lossy"),
)


def have_lost_much(totals: PublisherStatistics) -> bool:
    """Whether slow ones have lost a lot in both ways."""
    return totals.dropped > 1_000 and totals.conflated > 1_000


def test_slow_ones_go_on_whatever_becomes_of_what_they_cannot_take() -> None:
    """Each is torn out of the middle of messages that the log does not keep."""
    happenings = Happenings()
    with Publisher(
        "tcp://127.0.0.1:*",
        workers=2,
        log_bytes=4 * MIB,
        kernel_queue_bytes=16 * KIB,
        heartbeat_interval=0,
        on_event=happenings,
    ) as publisher:
        (endpoint,) = publisher.endpoints
        slow = [Slow(endpoint, *CHOICES[index % 5], b"") for index in range(15)]
        with SlowAudience(slow) as audience:
            publisher.wait_for_subscribers(len(slow), timeout=DEADLINE_S)
            published = 0

            def has_lost(count: int) -> bool:
                return len(happenings.of(EventKind.WORKER_LOST)) == count

            for kills in range(1, 3):
                until = publisher.statistics().published + 4_000
                while published < until:
                    publisher.publish(*message(published))
                    published += 1
                served = [one.worker for one in publisher.subscribers()]
                most = publisher.statistics().workers[max(served, key=served.count)]
                os.kill(most.pid, signal.SIGKILL)
                wait_until(partial(has_lost, kills), "that it is noticed")
            wait_until(lambda: publisher.statistics().resumed >= 12, "that others go on")
            while not have_lost_much(publisher.statistics()):
                publisher.publish(*message(published))
                published += 1
            totals = publisher.statistics()
            assert happenings.of(EventKind.SUBSCRIBER_EVICTED) == []
            assert (totals.evicted, totals.not_resumed) == (0, 0)
            audience.hurry()
            assert publisher.drain(DEADLINE_S) == ()
            by_name = {one.peer: one for one in publisher.subscribers()}
            wait_until(lambda: not any(map(Slow.has_unread, slow)), "that all is read")
            for one, said in zip(slow, CHOICES * 3, strict=True):
                known, got = by_name[one.name], one.got()
                assert known.matched == published
                assert known.matched == known.sent + known.dropped + known.conflated
                assert (known.name == "lossy") == (b"\x00fanout.name=lossy" in said)
                assert (known.chosen_by == "subscriber") == any(b"policy" in one for one in said)
                if any(b"gap" in one for one in said):
                    assert (got.lost, got.conflated) == (known.dropped, known.conflated)
