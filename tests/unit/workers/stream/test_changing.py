"""Changing a long list of wants costs what is changed, and every message is matched as before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fanout.reasons import Reason
from fanout.shm.prefix_table import FoundPrefixes, PrefixTable, weight
from fanout.workers.stream import members
from fanout.workers.stream.cohort import EVERYTHING
from fanout.workers.stream.effects import Lost
from fanout.zmtp.frames import encode_message
from fanout.zmtp.legacy import ZMTP_1
from tests.helpers.log import Sink, Worker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fanout.workers.stream.cohort import Cohort
    from fanout.workers.stream.member import Member
    from fanout.zmtp.encoding import Encoding

PLENTY = 1 << 40


def publish(worker: Worker, topic: bytes) -> None:
    worker.log.publish(topic, b"one")
    worker.advance()


class Counted(PrefixTable[Any]):
    """Counts how often it is changed."""

    changes = 0

    def put_new(self, prefixes: Iterable[bytes], value: object) -> FoundPrefixes[Any]:
        given = list(prefixes)
        self.changes += len(given)
        return super().put_new(given, value)

    def remove_own(self, prefixes: Iterable[bytes], value: object) -> FoundPrefixes[Any]:
        given = list(prefixes)
        self.changes += len(given)
        return super().remove_own(given, value)


def subscribed_in_parts(worker: Worker, count: int, part: int) -> tuple[Member, Counted]:
    """A member that got `count` subscriptions a few at a time, and what changed in the matching."""
    wanted = worker.pump.cohorts._wanted
    table = wanted._by_prefix
    if not isinstance(table, Counted):
        table = wanted._by_prefix = Counted()
    member, _ = worker.member()
    wants: set[bytes] = set()
    for start in range(0, count, part):
        added = [b"%d" % index for index in range(start, start + part)]
        wants.update(added)
        worker.pump.change(member, wants, added, [], now=start)
    return member, table


def test_a_long_list_costs_what_it_is_long_however_it_is_cut() -> None:
    worker = Worker()
    member, table = subscribed_in_parts(worker, 10_000, 100)
    assert table.changes < 3 * 10_000
    assert member.cohort is not None
    assert len(member.cohort.key) == 10_000

    before = table.changes
    wants = set(member.cohort.key)
    for index in range(100):
        worker.pump.change(member, wants | {b"x"}, [b"x"], [], now=index)
        worker.pump.change(member, wants, [], [b"x"], now=index)
    assert table.changes - before == 200
    worker.log.segment.close()


class Looked(set[bytes]):
    """Wants that may be asked for one of them, but not gone through."""

    def __iter__(self) -> Iterator[bytes]:
        raise AssertionError("gone through")


@pytest.mark.parametrize("encoding", [None, ZMTP_1], ids=["as it is", "framed"])
def test_beside_everything_no_other_want_costs_anything(
    encoding: Encoding | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker()
    member, sink = worker.member(encoding=encoding)
    pump = worker.pump
    joins: list[Iterable[bytes]] = []
    join = pump.cohorts.join

    def counted(prefixes: Iterable[bytes], encoding: Encoding | None = None) -> Cohort[Member]:
        joins.append(prefixes)
        cohort = join(prefixes, encoding)
        assert cohort is not None
        return cohort

    monkeypatch.setattr(pump.cohorts, "join", counted)
    wants = Looked(b"%d" % index for index in range(10_000)) | {b""}
    for index in range(100):
        changed = [b"%d" % index]
        pump.change(member, Looked(wants), changed, [], now=index)
        pump.change(member, Looked(wants), [], changed, now=index)
        publish(worker, b"unknown")
    assert joins == [EVERYTHING], "copied, or joined again"
    assert (member.matched, member.dropped) == (100, 0)
    assert sink.taken

    pump.change(member, {b"A"}, [], wants - {b"A"}, now=100)
    publish(worker, b"unknown")
    publish(worker, b"A")
    assert member.matched == 101, "it is everything only while it is wanted"
    worker.log.segment.close()


def test_a_list_of_long_prefixes_is_a_long_one_though_they_are_few() -> None:
    worker = Worker()
    table = worker.pump.cohorts._wanted._by_prefix = Counted()
    member, _ = worker.member()
    wants: set[bytes] = set()
    for index in range(60):
        added = [b"~" * 1_000 + b"%d" % index]
        wants.update(added)
        worker.pump.change(member, wants, added, [], now=index)
    assert table.changes < 3 * 60

    worker.pump.calm(60 + members.QUIET_NS)
    left = members.CALMED_PER_TICK - worker.pump._calm_credit
    assert left == weight(wants) > 10 * len(wants), "it costs more than so many short ones"
    worker.log.segment.close()


def test_who_was_quiet_for_a_while_shares_a_cohort_again() -> None:
    worker = Worker()
    pump = worker.pump
    member, _ = subscribed_in_parts(worker, 2_000, 100)
    own = member.cohort
    last = 1_900

    pump.calm(last + members.QUIET_NS - 1)
    assert member.cohort is own
    pump.calm(last + members.QUIET_NS)
    other, _ = worker.member(*(b"%d" % index for index in range(10)))
    assert member.cohort is other.cohort, "9 implies 99"
    worker.log.segment.close()


def test_many_who_are_quiet_at_once_share_again_by_and_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "CALMED_PER_TICK", 1_000)
    worker = Worker()
    pump = worker.pump
    several = [subscribed_in_parts(worker, 2_000, 100)[0] for _ in range(3)]
    shared = []
    for tick in range(7):
        pump.calm(members.QUIET_NS + 10_000 + tick)
        cohorts = {id(one.cohort) for one in several if one.cohort and one.cohort.is_minimal}
        shared.append(sum(id(one.cohort) in cohorts for one in several))
    assert shared == [1, 1, 2, 2, 3, 3, 3]
    worker.log.segment.close()


def test_to_share_a_long_list_again_and_to_change_it_again_costs_what_is_changed() -> None:
    """It was put into the matching once more, all of it, each time."""
    worker = Worker()
    member, table = subscribed_in_parts(worker, 2_000, 100)
    own, before = member.cohort, table.changes
    assert own is not None
    wants = set(own.key)
    worker.pump.calm(members.QUIET_NS + 2_000)
    assert own.is_minimal
    implied = table.changes - before
    worker.pump.change(member, wants | {b"x"}, [b"x"], [], now=0)
    assert (member.cohort, own.key) == (own, wants | {b"x"})
    assert table.changes - before == 2 * implied + 1
    worker.log.segment.close()


def test_what_somebody_is_still_to_be_sent_by_is_not_changed_in_place() -> None:
    """Two have the same list; one changes it while it is behind, and then the other."""
    worker = Worker()
    behind, sink, wants = blocked(worker)
    other, _ = worker.member()
    worker.pump.change(other, wants, wants, [], now=0)
    assert other.cohort is behind.cohort
    worker.pump.change(behind, wants | {b"x"}, [b"x"], [], now=0)
    worker.pump.change(other, wants - {b"1"}, [], [b"1"], now=0)
    publish(worker, b"x")
    sink.room = PLENTY
    worker.serve(behind)
    assert sink.taken == encode_message([b"1", b"one"]) + encode_message([b"x", b"one"])
    worker.log.segment.close()


def blocked(worker: Worker) -> tuple[Member, Sink, set[bytes]]:
    """A member with a long list whose socket takes nothing, and its wants."""
    member, sink = worker.member(room=0)
    wants = {b"%d" % index for index in range(1_000)}
    worker.pump.change(member, wants, wants, [], now=0)
    publish(worker, b"1")
    assert member.blocked
    return member, sink, wants


def test_a_blocked_member_gets_what_it_wanted_when_it_was_published() -> None:
    worker = Worker()
    member, sink, wants = blocked(worker)
    expected = encode_message([b"1", b"one"])
    for index in range(20):
        if index % 2:
            worker.pump.change(member, wants, [], [b"x", b"xy"], now=0)
        else:
            worker.pump.change(member, wants | {b"x", b"xy"}, [b"x", b"xy"], [], now=0)
            expected += encode_message([b"xyz%d" % index, b"one"])
        publish(worker, b"xyz%d" % index)
    assert (member.matched, len(member.older)) == (11, 20)
    counts = [worker.pump.backlog.count(cohort, 0, 21).messages for _, cohort in member.older]
    assert counts[1:3] == [21, 1], "what is wanted twice is counted once"

    sink.room = PLENTY
    worker.serve(member)
    assert sink.taken == expected
    assert (member.sent, member.queued) == (11, 0)
    worker.log.segment.close()


def test_who_copies_its_wants_without_end_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "OLDER_WANTS_MAX", 5_500)
    worker = Worker()
    member, _, wants = blocked(worker)
    changes = 0
    while not worker.pump.effects:
        worker.pump.change(member, wants | {b"x"}, [b"x"], [], now=0)
        publish(worker, b"2")
        worker.pump.change(member, wants, [], [b"x"], now=0)
        publish(worker, b"2")
        changes += 2
    (lost,) = worker.pump.effects
    assert isinstance(lost, Lost)
    assert (lost.reason, changes) == (Reason.RESTLESS, 8)
    assert member.older_wants > 5_000
    worker.log.segment.close()
