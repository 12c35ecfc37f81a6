"""Cohorts, the backlog's picks and the coordinator's interest agree with naive startswith."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fanout.coordinator import interest
from fanout.coordinator.interest import Interest
from fanout.send.topics import TopicTable
from fanout.shm.census import minimal
from fanout.workers.stream import wanted
from fanout.workers.stream.cohorts import Cohorts
from fanout.workers.tuning import Tuning
from tests.helpers.log import Worker
from tests.helpers.wanting import wanting

if TYPE_CHECKING:
    from fanout.workers.stream.cohort import Cohort, Prefix

names = st.text("AB", max_size=4).map(str.encode)
prefix_sets = st.sets(names, max_size=5)


def wants(prefixes: set[bytes] | frozenset[bytes], topic: bytes) -> bool:
    return any(topic.startswith(prefix) for prefix in prefixes)


@given(prefix_sets, names)
def test_the_minimal_wants_are_the_same_wants(prefixes: set[bytes], topic: bytes) -> None:
    key = minimal(prefixes)

    assert wants(key, topic) == wants(prefixes, topic)
    assert key <= prefixes
    assert not any(a != b and a.startswith(b) for a in key for b in key)


class CohortMachine(RuleBasedStateMachine):
    """Members join and leave; every cohort that wants a topic is found exactly once.

    Whose last member has left is taken out a prefix at a time, whenever it may be.
    """

    def __init__(self) -> None:
        super().__init__()
        self.at_once, self.left_max = wanted.TAKEN_AT_ONCE, wanted.LEFT_MAX
        wanted.TAKEN_AT_ONCE, wanted.LEFT_MAX = 1, 8
        self.cohorts: Cohorts[object] = Cohorts(
            Tuning(shared_prefixes=2, shared_from=1, parked_after=3, parked_after_ns=0)
        )
        self.joined: list[tuple[set[bytes], Cohort[object]]] = []

    def teardown(self) -> None:
        while self.cohorts.left:
            self.cohorts.take_out(1)
        for _, cohort in self.joined:
            self.cohorts.leave(cohort)
        self.cohorts.take_out(1_000)
        table = self.cohorts._wanted._by_prefix
        assert (len(table), self.cohorts.direct, self.cohorts.counting) == (0, {}, {})
        assert not self.cohorts.owners
        wanted.TAKEN_AT_ONCE, wanted.LEFT_MAX = self.at_once, self.left_max

    @rule(count=st.integers(1, 3))
    def take_out(self, count: int) -> None:
        left = self.cohorts.left
        self.cohorts.take_out(count)
        assert self.cohorts.left == max(0, left - count)

    @rule(prefixes=prefix_sets)
    def join(self, prefixes: set[bytes]) -> None:
        cohort = self.cohorts.join(prefixes)
        assert (cohort is None) == (not prefixes)
        if cohort is not None:
            assert cohort.everything == (b"" in prefixes)
            self.joined.append((prefixes, cohort))

    @rule(prefixes=prefix_sets)
    def join_own(self, prefixes: set[bytes]) -> None:
        if prefixes and b"" not in prefixes:
            cohort = self.cohorts.join_own(prefixes)
            self.cohorts.add_ready(cohort, "member")
            self.joined.append((prefixes, cohort))

    @rule(data=st.data(), added=prefix_sets, cancelled=prefix_sets)
    def change(self, data: st.DataObject, added: set[bytes], cancelled: set[bytes]) -> None:
        own = [i for i, (_, cohort) in enumerate(self.joined) if not cohort.is_minimal]
        if own and b"" not in added:
            index = data.draw(st.sampled_from(own))
            prefixes, cohort = self.joined[index]
            cancelled = cancelled - added
            self.cohorts.change(cohort, added, cancelled)
            self.joined[index] = (prefixes - cancelled) | added, cohort

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        if self.joined:
            _, cohort = self.joined.pop(data.draw(st.integers(0, len(self.joined) - 1)))
            if cohort.members == 1:
                self.cohorts.drop_ready(cohort, "member")
            self.cohorts.leave(cohort)

    @rule(data=st.data())
    def own_or_share(self, data: st.DataObject) -> None:
        """In place, where that is possible."""
        if self.joined:
            prefixes, cohort = data.draw(st.sampled_from(self.joined))
            if not cohort.is_minimal:
                self.cohorts.share(cohort)
            elif self.cohorts.is_alone_in(cohort) and cohort.encoding is None:
                self.cohorts.own(cohort)
                self.cohorts.change(cohort, prefixes, set())

    @rule(data=st.data(), ready=st.booleans())
    def become_ready(self, data: st.DataObject, ready: bool) -> None:
        """One of its members is, or is not any more."""
        if self.joined:
            _, cohort = data.draw(st.sampled_from(self.joined))
            change = self.cohorts.add_ready if ready else self.cohorts.drop_ready
            change(cohort, "member")

    @rule(data=st.data(), messages=st.integers(1, 5))
    def pick_for_nobody(self, data: st.DataObject, messages: int) -> None:
        idle = [one for one in self.cohorts.direct if one.members and not one.ready]
        if idle:
            self.cohorts.picked_for_nobody(data.draw(st.sampled_from(idle)), messages, 0)

    @rule(topics=st.lists(names, max_size=5))
    def count(self, topics: list[bytes]) -> None:
        """What each has matched is counted, one way or the other."""
        cohorts = list(dict.fromkeys(cohort for _, cohort in self.joined))
        before = [cohort.matched for cohort in cohorts]
        owners = set()
        for topic in topics:
            for append in self.cohorts.appends(topic):
                append(topic)
                owners.add(self.cohorts.owners[id(append.__self__)])  # type: ignore[attr-defined]
        filled: list[Prefix[object] | Cohort[object]] = [*self.cohorts.counting]
        filled += self.cohorts.direct
        assert owners == {one for one in filled if one.picks}, "who may have picks is found by it"
        for prefix in self.cohorts.counting:
            prefix.count()
            prefix.picks.clear()
        for direct in self.cohorts.direct:
            direct.counted += len(direct.picks)
            direct.picks.clear()
        for cohort, earlier in zip(cohorts, before, strict=True):
            if not cohort.everything:
                assert cohort.matched == earlier + sum(map(cohort.wants, topics))

    @rule(topic=names, number=st.integers(1, 40))
    def remember(self, topic: bytes, number: int) -> None:
        if self.cohorts.name(number) in (None, topic):
            self.cohorts.remember(number, topic)

    @rule(topic=names)
    def match(self, topic: bytes) -> None:
        found = wanting(self.cohorts, topic)
        assert len(found) == len({id(cohort) for cohort in found})
        for prefixes, cohort in self.joined:
            filtered = cohort is not self.cohorts.everything
            assert (cohort in found) == (filtered and wants(prefixes, topic))
            assert cohort.wants(topic) == wants(prefixes, topic)

    @invariant()
    def what_is_remembered_is_true(self) -> None:
        for number, appends in self.cohorts.known_ids.items():
            topic = self.cohorts.name(number)
            assert topic is not None
            assert list(appends) == list(self.cohorts.appends(topic))

    @invariant()
    def whoever_has_a_ready_member_is_served(self) -> None:
        for cohort in self.cohorts.filtered:
            is_served = cohort.direct or all(cohort in one.ready for one in cohort.prefixes)
            assert is_served or not cohort.ready
            assert cohort.ready or not any(cohort in one.ready for one in cohort.prefixes)

    @invariant()
    def nothing_is_kept_for_nobody(self) -> None:
        alive = {id(cohort) for _, cohort in self.joined}
        assert {id(cohort) for cohort in self.cohorts.filtered} <= alive


TestCohorts = CohortMachine.TestCase
TestCohorts.settings = settings(max_examples=50, stateful_step_count=30)


@given(prefix_sets, st.lists(st.tuples(names, st.booleans()), min_size=1, max_size=12))
def test_a_backlog_picks_what_is_wanted(
    prefixes: set[bytes], messages: list[tuple[bytes, bool]]
) -> None:
    worker = Worker()
    table = TopicTable(100)
    for topic, interned in messages:
        worker.log.publish(topic, topic_id=table.intern(topic).id if interned else 0)
    cohort = worker.pump.cohorts.join(prefixes | {b"never"})
    assert cohort is not None

    picked = worker.pump.backlog.chunks.at(0, len(messages)).pick(cohort)

    naive = [i for i, (topic, _) in enumerate(messages) if wants(prefixes, topic)]
    assert picked == naive
    assert worker.pump.backlog.count(cohort, 0, len(messages)).messages == len(naive)
    worker.log.segment.close()


class InterestMachine(RuleBasedStateMachine):
    """Reports of workers in, answers out; the model is a dict of sets.

    Who is gone is taken out a prefix at a time, whenever it may be, and counts no more at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.at_once = interest.TAKEN_AT_ONCE
        interest.TAKEN_AT_ONCE = 1
        self.lives = dict.fromkeys(range(8), 0)  # nobody comes back under the same number
        self.interest = Interest()
        self.model: dict[int, set[bytes]] = {}
        self.routes: dict[bytes, tuple[int, set[int]]] = {}

    def number(self, subscriber: int) -> int:
        return subscriber + 9 * self.lives[subscriber]  # of the same worker

    def teardown(self) -> None:
        for subscriber in range(1, 8):
            self.interest.forget(self.number(subscriber))
        while self.interest.has_leaving:
            self.interest.take_out()
        left = self.interest.kept_bytes, self.interest.leaving_bytes, len(self.interest._wanted)
        assert left == (0, 0, 0)
        interest.TAKEN_AT_ONCE = self.at_once

    @rule(at_least=st.sampled_from([0, 1, 500]))
    def take_out(self, at_least: int) -> None:
        before = self.interest.kept_bytes
        self.interest.take_out(at_least)
        kept = self.interest.kept_bytes
        assert kept < before or not self.interest.has_leaving
        assert kept <= before - at_least or not self.interest.has_leaving

    @rule(
        subscriber=st.integers(1, 6),
        added=st.lists(names, max_size=4),
        cancelled=st.lists(names, max_size=4),
    )
    def update(self, subscriber: int, added: list[bytes], cancelled: list[bytes]) -> None:
        before = self.interest.generation
        self.interest.update(self.number(subscriber), subscriber % 3, added, cancelled)
        mine = self.model.setdefault(subscriber, set())
        mine.difference_update(cancelled)
        mine.update(added)
        assert self.interest.generation != before

    @rule(subscriber=st.integers(1, 7))
    def forget(self, subscriber: int) -> None:
        self.interest.forget(self.number(subscriber))
        self.lives[subscriber] += 1
        self.model.pop(subscriber, None)

    @rule(topic=names)
    def ask(self, topic: bytes) -> None:
        wanting = [s for s, prefixes in self.model.items() if wants(prefixes, topic)]
        assert self.interest.count(topic) == len(wanting)
        workers = self.interest.workers_for(topic)
        assert workers >= {s % 3 for s in wanting}
        if not self.interest.has_leaving:
            assert workers == {s % 3 for s in wanting}
        routes, before = self.routes.get(topic, (-1, set()))
        assert routes != self.interest.routes or before == workers
        self.routes[topic] = self.interest.routes, workers

    @invariant()
    def counts(self) -> None:
        assert self.interest.count(None) == sum(1 for mine in self.model.values() if mine)
        for subscriber in range(1, 8):
            mine = self.model.get(subscriber, set())
            assert self.interest.subscriptions(self.number(subscriber)) == len(mine)


TestInterest = InterestMachine.TestCase
TestInterest.settings = settings(max_examples=50, stateful_step_count=30)


@given(st.lists(names, max_size=60), st.integers(1, 8))
def test_ids_of_topics_are_never_reused_and_the_table_is_bounded(
    published: list[bytes], limit: int
) -> None:
    table = TopicTable(limit)
    owner: dict[int, bytes] = {}
    for name in published:
        topic = table.intern(name)
        assert topic.name == name
        assert owner.setdefault(topic.id, name) == name
        assert table.intern(name) is topic
        assert table.young[name] is topic
        assert len(table) <= max(limit, 2)
    assert 0 not in owner


def test_members_of_a_pump_are_in_one_cohort_for_equal_wants() -> None:
    worker = Worker()
    first, _ = worker.member(b"A", b"AB")
    second, _ = worker.member(b"A")

    assert first.cohort is second.cohort
    assert [cohort.key for cohort in worker.pump.cohorts.filtered] == [frozenset((b"A",))]
