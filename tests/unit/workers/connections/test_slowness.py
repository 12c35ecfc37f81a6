"""Reports of slowness: at once while the coordinator reads, bounded while it does not."""

from __future__ import annotations

from fanout.control.messages import Slow
from fanout.workers.connections.slowness import WAITING_EACH, SlowReports


class Channel:
    """Takes packets; they wait while it is stuck."""

    def __init__(self, *, stuck: bool = False) -> None:
        self.stuck = stuck
        self.sent: list[Slow] = []

    @property
    def pending(self) -> int:
        return int(self.stuck)

    def send(self, message: Slow, /) -> None:
        self.sent.append(message)


def slow(dropped: int, subscriber: int = 1) -> Slow:
    return Slow(subscriber, False, dropped, "")


def stalled(dropped: int) -> Slow:
    return Slow(1, False, dropped, "", True)


def recovered(dropped: int, subscriber: int = 1) -> Slow:
    return Slow(subscriber, True, dropped, "")


def test_a_report_goes_out_at_once() -> None:
    channel = Channel()
    reports = SlowReports(channel)

    reports.add(slow(1))
    reports.add(recovered(1))

    assert channel.sent == [slow(1), recovered(1)]
    assert not reports


def test_while_nobody_reads_two_of_each_are_kept_with_the_latest_figures() -> None:
    channel = Channel(stuck=True)
    reports = SlowReports(channel)

    for dropped in range(1, 10_000):
        reports.add(slow(dropped))
        reports.add(recovered(dropped))
    reports.add(slow(7, subscriber=2))
    kept = len(reports)
    channel.stuck = False
    reports.flush()

    assert kept == 3
    assert channel.sent == [slow(9_999), recovered(9_999), slow(7, subscriber=2)]
    assert not reports


def test_who_stalls_and_then_becomes_slow_is_reported_as_both_once() -> None:
    channel = Channel(stuck=True)
    reports = SlowReports(channel)

    for dropped in range(1, 100):
        for report in (stalled(dropped), slow(dropped), recovered(dropped)):
            reports.add(report)
            assert len(reports) <= WAITING_EACH
    reports.add(stalled(100))
    channel.stuck = False
    reports.flush()

    assert channel.sent == [stalled(100)]


def test_trouble_that_was_heard_of_is_taken_back_before_it_is_said_anew() -> None:
    channel = Channel()
    reports = SlowReports(channel)
    reports.add(slow(1))
    channel.stuck = True

    for report in (recovered(1), stalled(1), slow(2), recovered(2), stalled(2), slow(3)):
        reports.add(report)
        assert len(reports) <= WAITING_EACH
    reports.finish(1)

    assert channel.sent == [slow(1), recovered(2), stalled(2), slow(3)]


def test_who_is_slow_stalls_and_recovers_unheard_has_recovered_before_it_stalls_again() -> None:
    """That it is slow was heard, that it stalls was not."""
    channel = Channel()
    reports = SlowReports(channel)
    reports.add(slow(1))
    channel.stuck = True

    for report in (stalled(1), recovered(2), stalled(3)):
        reports.add(report)
    channel.stuck = False
    reports.flush()

    assert channel.sent == [slow(1), recovered(2), stalled(3)]


def test_who_comes_from_another_worker_in_trouble_is_told_of_as_recovered_once() -> None:
    channel = Channel(stuck=True)
    reports = SlowReports(channel)
    reports.go_on(1)

    for report in (stalled(1), recovered(2), slow(3), recovered(3)):
        reports.add(report)
    reports.finish(1)
    for report in (slow(4), recovered(4)):
        reports.add(report)
    reports.finish(1)

    assert channel.sent == [recovered(3)]


def test_who_is_slow_in_the_end_is_reported_as_slow_once() -> None:
    channel = Channel(stuck=True)
    reports = SlowReports(channel)

    for report in (slow(1), recovered(1), slow(2)):
        reports.add(report)
    channel.stuck = False
    reports.flush()

    assert channel.sent == [slow(2)]


def test_it_stops_as_soon_as_the_channel_is_full_again() -> None:
    channel = Channel(stuck=True)
    reports = SlowReports(channel)
    reports.add(slow(1))
    reports.add(slow(1, subscriber=2))

    class Full(Channel):
        def send(self, message: Slow, /) -> None:
            super().send(message)
            self.stuck = True

    reports._outlet = full = Full()
    reports.flush()

    assert full.sent == [slow(1)]
    assert len(reports) == 1


def test_before_the_last_report_of_a_subscriber_goes_out_what_it_now_is() -> None:
    channel = Channel(stuck=True)
    reports = SlowReports(channel)
    for report in (slow(1), slow(1, 2), recovered(1, 2), slow(1, subscriber=3)):
        reports.add(report)

    for subscriber in (1, 2, 4):
        reports.finish(subscriber)

    assert channel.sent == [slow(1)]
    assert len(reports) == 1
