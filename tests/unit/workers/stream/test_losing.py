"""What a blocked member loses: counters, cursor and markers after each kind of loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.reasons import Reason
from fanout.shm.census import NOTHING, Amount
from fanout.shm.layout import PAGE, Layout
from fanout.workers.stream.cohort import Cohort
from fanout.workers.stream.values import Values
from fanout.zmtp.frames import encode_message
from tests.helpers.log import Worker

if TYPE_CHECKING:
    from collections.abc import Collection

    from fanout.workers.stream.backlog import Backlog
    from fanout.workers.stream.member import Member

SIZE = len(encode_message((b"A", b"0")))
LAG = Reason.LAG
BROAD = Layout(64 * PAGE, 4_096, 4)


class Bench:
    """A worker with messages of one size, and one blocked member that has got nothing."""

    def __init__(self, topics: str = "", wants: Collection[bytes] = (b"",), room: int = 0) -> None:
        self.worker = Worker(BROAD)
        self.member, self.sink = self.worker.member(*wants, room=room)
        self.publish(topics)

    def publish(self, topics: str) -> None:
        for topic in topics:
            self.worker.log.publish(topic.encode(), b"0")
        self.worker.advance()

    @property
    def losing(self) -> Backlog:
        return self.worker.pump.backlog

    @property
    def front(self) -> int:
        return self.worker.pump.front

    def jump(self, target: int, reason: Reason = LAG) -> int:
        return self.losing.jump(self.member, target, self.front, reason)

    def take_all(self) -> bytes:
        self.sink.taken = b""
        self.sink.room = 1 << 40
        self.worker.serve(self.member)
        return self.sink.taken


def place(member: Member) -> tuple[int, int]:
    return member.sequence, member.offset


def figures(member: Member) -> tuple[int, int, int, int]:
    return member.sent, member.dropped, member.dropped_bytes, member.queued


class TestWhereItStands:
    def test_bytes_that_its_socket_took_are_messages_and_a_part_of_one(self) -> None:
        bench = Bench("AAAA", room=2 * SIZE + 3)
        assert bench.member.blocked
        bench.losing.settle(bench.member, bench.front)
        assert place(bench.member) == (2, 3)
        assert bench.member.sent == 2
        assert bench.worker.pump.totals.sent == 2

    def test_the_part_moves_out_of_the_log(self) -> None:
        bench = Bench("AAAA", room=SIZE + 3)
        bench.losing.detach(bench.member, bench.front)
        assert place(bench.member) == (2, 0)
        assert (len(bench.member.spill), bench.member.spilled) == (SIZE - 3, 1)
        assert bench.take_all() == encode_message((b"A", b"0"))[3:] + 2 * encode_message(
            (b"A", b"0")
        )

    def test_between_two_messages_there_is_nothing_to_move(self) -> None:
        bench = Bench("AAAA", room=2 * SIZE)
        bench.losing.detach(bench.member, bench.front)
        assert (place(bench.member), bench.member.spill) == ((2, 0), b"")


class TestJumps:
    def test_what_it_jumps_over_is_counted_by_reason(self) -> None:
        bench = Bench("AAAAAA")
        assert bench.jump(2) == 2
        assert bench.jump(3, Reason.LAG_AGE) == 1
        member, totals = bench.member, bench.worker.pump.totals
        assert place(member) == (3, 0)
        assert figures(member) == (0, 3, 3 * SIZE, 3)
        assert (totals.dropped, totals.dropped_bytes) == (3, 3 * SIZE)
        assert member.drops[1] == 1, "messages that were too old"
        assert bench.take_all() == 3 * encode_message((b"A", b"0"))

    def test_only_what_it_wanted_is_lost(self) -> None:
        bench = Bench("ABABAB", [b"B"])
        assert bench.jump(4) == 2
        assert figures(bench.member) == (0, 2, 2 * SIZE, 1)
        assert bench.take_all() == encode_message((b"B", b"0"))

    def test_of_a_message_that_was_begun_the_rest_is_sent_all_the_same(self) -> None:
        bench = Bench("AAAA", room=3)
        assert bench.jump(4) == 3
        assert figures(bench.member) == (0, 3, 3 * SIZE, 1)
        assert bench.take_all() == encode_message((b"A", b"0"))[3:]

    def test_by_what_was_wanted_when_it_came(self) -> None:
        bench = Bench("ABAB", [b"A"])
        bench.worker.pump.subscribe(bench.member, (b"A", b"B"))
        bench.publish("ABAB")
        assert bench.jump(6) == 2 + 2
        assert not bench.member.older
        assert figures(bench.member)[1:] == (4, 4 * SIZE, 2)

    def test_it_is_told_of_them_once(self) -> None:
        bench = Bench("AAAA")
        bench.worker.pump.tell_gaps(bench.member, losses=True, conflated=False)
        bench.jump(1)
        bench.jump(3)
        assert bench.member.gaps is not None
        [gap] = bench.member.gaps.pending
        assert (gap.first, gap.last, gap.count) == (0, 2, 3)

    def test_nothing_is_lost_by_no_jump(self) -> None:
        bench = Bench("BBBB", [b"A"])
        bench.publish("A")
        assert bench.jump(4) == 0
        assert bench.member.dropped == 0


class TestFinishing:
    def test_it_gets_what_is_below_and_loses_what_comes_until_it_has(self) -> None:
        bench = Bench("AAAA")
        bench.losing.finish(bench.member, 2, bench.front, LAG)
        assert figures(bench.member) == (0, 2, 2 * SIZE, 2)
        bench.publish("AA")
        bench.losing.settle(bench.member, bench.front)
        assert figures(bench.member) == (0, 4, 4 * SIZE, 2)
        assert bench.member.finishing is LAG
        assert bench.take_all() == 2 * encode_message((b"A", b"0"))

    def test_who_jumps_over_all_of_it_has_nothing_to_finish_with(self) -> None:
        bench = Bench("AAAA")
        bench.losing.finish(bench.member, 2, bench.front, LAG)
        bench.jump(1)
        assert bench.member.finishing is LAG
        bench.jump(4)
        assert bench.member.finishing is None

    def test_once_is_enough(self) -> None:
        bench = Bench("AAAA")
        bench.losing.finish(bench.member, 2, bench.front, LAG)
        bench.losing.finish(bench.member, 1, bench.front, Reason.LAG_AGE)
        assert (bench.member.finishing, bench.member.dropped) == (LAG, 2)

    def test_what_is_known_of_it_is_not_counted_again(self) -> None:
        bench = Bench("AAAA")
        asked: list[tuple[int, int]] = []

        def count(_wants: Any, first: int, stop: int) -> Amount:
            asked.append((first, stop))
            return Amount(1, SIZE)

        bench.losing.finish(bench.member, 1, bench.front, LAG, count)
        assert asked == [(1, 4)]
        assert bench.member.dropped == 1

    def test_after_a_change_it_finishes_with_what_it_wanted_then(self) -> None:
        bench = Bench("ABAB", [b"A"])
        bench.worker.pump.subscribe(bench.member, (b"A", b"B"))
        bench.publish("ABAB")
        bench.losing.finish(bench.member, 5, bench.front, LAG)
        assert figures(bench.member) == (0, 3, 3 * SIZE, 3)
        a = encode_message((b"A", b"0"))
        assert bench.take_all() == 3 * a

    def test_it_ends_and_what_comes_then_is_sent(self) -> None:
        bench = Bench("AAAA")
        bench.losing.finish(bench.member, 2, bench.front, LAG)
        bench.losing.end_finishing(bench.member, bench.front)
        assert (bench.member.finishing, bench.member.lossy_until) == (None, 4)
        bench.publish("AA")
        assert bench.take_all() == 4 * encode_message((b"A", b"0"))
        assert bench.member.dropped == 2

    def test_who_goes_on_for_another_worker_loses_what_came_since(self) -> None:
        bench = Bench("AAAA")
        bench.member.finishing = LAG
        bench.losing.lose_since(bench.member, 3, bench.front)
        assert figures(bench.member) == (0, 1, SIZE, 3)

    def test_it_loses_what_it_wanted_of_the_past_too(self) -> None:
        bench = Bench("ABAB")
        bench.member.finishing = LAG
        bench.losing.lose_of(bench.member, Cohort(frozenset((b"A",))), 0, 4)
        assert bench.member.dropped == 2


class TestCounting:
    @given(
        st.lists(st.sampled_from([b"A", b"AB", b"AC", b"B", b"C"]), max_size=30),
        st.frozensets(st.sampled_from([b"A", b"B"]), min_size=1),
        st.sampled_from([(), (b"AB",), (b"AB", b"AC")]),
        st.tuples(st.integers(0, 30), st.integers(0, 30)).map(sorted),
    )
    def test_what_is_wanted_of_any_part(
        self,
        topics: list[bytes],
        key: frozenset[bytes],
        without: tuple[bytes, ...],
        part: list[int],
    ) -> None:
        """What it goes without begins with something that it wants."""
        without = without if b"A" in key else ()
        bench = Bench()
        for topic in topics:
            bench.worker.log.publish(topic, b"0")
        first, stop = (min(one, len(topics)) for one in part)
        cohort: Cohort[Member] = Cohort(key, None, Cohort(frozenset(without)) if without else None)
        found = [
            (one, SIZE - 1 + len(topics[one]))
            for one in range(first, stop)
            if topics[one].startswith((*key,)) and topics[one] not in without
        ]
        amount = Amount(len(found), sum(size for _one, size in found))
        assert bench.losing.count(cohort, first, stop) == amount
        assert bench.losing.picks(cohort, first, stop) == found

    def test_nobody_wants_nothing(self) -> None:
        bench = Bench("AAAA")
        everything = bench.member.cohort
        assert bench.losing.count(None, 0, 4) == NOTHING
        assert bench.losing.count(everything, 3, 3) == NOTHING
        assert bench.losing.count(everything, 1, 4) == Amount(3, 3 * SIZE)

    def test_of_what_was_chosen_only_that(self) -> None:
        bench = Bench("AAAAAA")
        chosen = Values([0, 2, 5], bench.worker.log.reader)
        assert bench.losing.count(chosen, 1, 6) == Amount(2, 2 * SIZE)

    def test_a_correction_is_of_the_member_and_of_the_totals(self) -> None:
        bench = Bench("AA")
        totals = bench.worker.pump.totals
        matched, size = totals.matched, totals.matched_bytes
        bench.losing.correct(bench.member, 3, 30)
        assert (bench.member.matched, bench.member.matched_bytes) == (5, 2 * SIZE + 30)
        assert (totals.matched - matched, totals.matched_bytes - size) == (3, 30)

    def test_what_was_published_before_is_counted_as_that_too(self) -> None:
        bench = Bench("AA")
        bench.losing.add_replayed(bench.member, Amount(3, 30))
        assert (bench.member.matched, bench.worker.pump.totals.replayed) == (5, 3)

    @pytest.mark.parametrize("topic_id", [0, 5])
    def test_a_topic_is_known_by_its_id_or_read_from_the_message(self, topic_id: int) -> None:
        bench = Bench()
        bench.worker.log.publish(b"name", b"x", topic_id=topic_id)
        assert bench.losing.topic(topic_id, 0) == b"name"
        assert bench.losing.topic_of(0) == b"name"
