"""Rounds: what is interrupted goes on where it was, whatever happens to the members meanwhile."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from fanout.workers.stream import rounds
from fanout.workers.stream.effects import Lost
from fanout.workers.stream.member import BLOCKED, HELD, READY
from fanout.workers.tuning import TUNING, Tuning
from fanout.zmtp.frames import encode_message
from tests.helpers.log import Worker
from tests.helpers.ticking import Ticking

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member

EACH = TUNING.sends_per_look
WANTS = pytest.mark.parametrize(
    ("prefixes", "shared_prefixes"),
    [((b"",), 4), ((b"A",), 4), ((b"A", b"Z"), 0), ((b"A", b"#"), 0)],
    ids=["everything", "shared picks", "its own picks", "each its own picks"],
)


def message(number: int) -> bytes:
    return encode_message([b"A", b"%d" % number])


class Rounds(Worker):
    """A worker that has time for EACH sends at once, with three times as many members."""

    def __init__(
        self,
        prefixes: tuple[bytes, ...],
        shared_prefixes: int,
        shared_from: int = 0,
        crowd_messages: int = 0,
        round_parts: int = 1,
        round_parts_max: int = 1,
    ) -> None:
        tuning = Tuning(
            shared_prefixes=shared_prefixes,
            shared_from=shared_from,
            crowd_messages=crowd_messages,
            round_parts=round_parts,
            round_parts_max=round_parts_max,
            batch_send_bytes=4 * len(message(0)) - 1,
        )
        super().__init__(tuning=tuning)
        self.part = self.pump._part = Ticking().part(1)
        # Where there is a "#" in them, no two want the same.
        wants = [[one.replace(b"#", b"#%d" % n) for one in prefixes] for n in range(3 * EACH)]
        self.both = [self.member(*each) for each in wants]
        self.members = [member for member, _ in self.both]
        self.sinks = [sink for _, sink in self.both]
        self.log.publish(b"A", b"0")

    def go(self) -> bool:
        """One part of a turn."""
        self.part.begin()
        return self.pump.advance(self.log.reader.head(), 0)

    def finish(self) -> None:
        while self.go():
            continue
        while self.pump.runnable:
            self.pump.serve_runnable(0, 100)


def figures(worker: Worker, member: Member) -> tuple[int, int, int]:
    worker.pump.settle(member)
    return member.matched, member.sent, member.queued


def all_figures(worker: Rounds) -> Counter[tuple[int, int, int]]:
    """How many have which: to say how long lists of these differ takes minutes."""
    return Counter(figures(worker, member) for member in worker.members)


@WANTS
def test_a_turn_ends_at_its_time_and_the_next_goes_on_there(
    prefixes: tuple[bytes, ...], shared_prefixes: int
) -> None:
    worker = Rounds(prefixes, shared_prefixes)
    more, sent, tails = [], [], []
    for _ in range(3):
        more.append(worker.go())
        sent.append([bool(sink.taken) for sink in worker.sinks].count(True))
        tails.append((worker.pump.served, worker.pump.move_tail()))

    assert (more, sent) == ([True, True, False], [EACH, 2 * EACH, 3 * EACH])
    assert tails == [(0, 0), (0, 0), (1, 1)], "the log keeps what some are still to be sent"
    assert all_figures(worker) == {(1, 1, 0): 3 * EACH}
    totals = worker.pump.totals
    assert (totals.matched, totals.sent) == (3 * EACH, 3 * EACH)
    assert totals.sent_bytes == 3 * EACH * len(message(0))


@WANTS
def test_the_bytes_of_an_interrupted_round_are_counted_for_all_who_wait(
    prefixes: tuple[bytes, ...], shared_prefixes: int
) -> None:
    worker = Rounds(prefixes, shared_prefixes)
    worker.go()
    pump, size = worker.pump, len(message(0))

    assert Counter(member.matched_bytes for member in worker.members) == {size: 3 * EACH}
    assert pump.matched_bytes == 3 * EACH * size
    pump.remove(worker.members[-1])
    pump.subscribe(worker.member()[0], prefixes)
    assert pump.matched_bytes == 3 * EACH * size, "for those who were there when it was sent"
    worker.finish()
    assert pump.matched_bytes == pump.totals.matched_bytes == 3 * EACH * size


def test_the_picks_of_an_interrupted_round_are_measured_once() -> None:
    worker = Rounds((b"A", b"Z"), 0)
    worker.go()
    (cohort,) = worker.pump.sorting.direct
    asked = worker.pump.matched_bytes, worker.members[-1].matched_bytes

    assert asked == (3 * EACH * len(message(0)), len(message(0)))
    assert cohort.size == len(message(0))


@WANTS
def test_who_waits_for_his_turn_is_counted_as_he_stands(
    prefixes: tuple[bytes, ...], shared_prefixes: int
) -> None:
    worker = Rounds(prefixes, shared_prefixes)
    worker.go()
    last = worker.members[-1]

    assert figures(worker, last) == (1, 0, 1)
    assert (last.sequence, last.offset, last.position, last.state) == (0, 0, 0, READY)
    assert worker.pump.flushed() == 0


@WANTS
def test_who_leaves_while_he_waits_has_one_discarded(
    prefixes: tuple[bytes, ...], shared_prefixes: int
) -> None:
    worker = Rounds(prefixes, shared_prefixes)
    worker.go()
    last = worker.members[-1]
    worker.pump.remove(last)
    worker.finish()

    assert (last.matched, last.sent, last.queued) == (1, 0, 1)
    assert worker.pump.totals.discarded == 1
    assert [bool(sink.taken) for sink in worker.sinks] == [True] * (3 * EACH - 1) + [False]


@WANTS
def test_who_changes_his_wants_while_he_waits_gets_what_he_wanted_before(
    prefixes: tuple[bytes, ...], shared_prefixes: int
) -> None:
    worker = Rounds(prefixes, shared_prefixes)
    worker.go()
    member, sink = worker.both[-1]
    worker.pump.subscribe(member, [b"B"])
    worker.log.publish(b"A", b"1")
    worker.log.publish(b"B", b"2")
    worker.finish()

    assert sink.taken == message(0) + encode_message([b"B", b"2"])
    assert figures(worker, member) == (2, 2, 0)


@WANTS
def test_who_is_held_or_spoken_to_while_he_waits_goes_on_from_there(
    prefixes: tuple[bytes, ...], shared_prefixes: int
) -> None:
    worker = Rounds(prefixes, shared_prefixes)
    worker.go()
    (held, held_sink), (spoken, spoken_sink) = worker.both[-2:]
    worker.pump.hold(held)
    spoken_sink.room = 2
    worker.pump.speak(spoken, b"PONG", 0)
    states = held.state, spoken.state
    worker.finish()
    worker.pump.release(held, prefixes, worker.pump.front, 0)
    spoken_sink.room = 1 << 40
    worker.pump.writable(spoken)
    worker.finish()

    assert states == (HELD, BLOCKED)
    assert (held_sink.taken, spoken_sink.taken) == (message(0), b"PONG" + message(0))
    assert [figures(worker, one) for one in (held, spoken)] == [(1, 1, 0)] * 2


@WANTS
def test_who_breaks_when_it_is_his_turn_was_not_sent_it(
    prefixes: tuple[bytes, ...], shared_prefixes: int
) -> None:
    worker = Rounds(prefixes, shared_prefixes)
    worker.go()
    member, sink = worker.both[-1]
    sink.broken = True
    worker.finish()
    (lost,) = worker.pump.effects
    worker.pump.remove(member)

    assert isinstance(lost, Lost)
    assert (member.matched, member.sent, member.queued) == (1, 0, 1)


@WANTS
def test_who_comes_during_a_round_has_no_part_in_it(
    prefixes: tuple[bytes, ...], shared_prefixes: int
) -> None:
    worker = Rounds(prefixes, shared_prefixes)
    worker.go()
    late, sink = worker.member(*prefixes)
    worker.log.publish(b"A", b"1")
    worker.finish()

    assert sink.taken == message(1)
    assert figures(worker, late) == (1, 1, 0)


def test_who_is_of_few_does_not_wait_for_a_crowd() -> None:
    worker = Rounds((b"A", b"#"), 4, shared_from=2)
    few, sink = worker.member(b"healthy")
    worker.log.publish(b"healthy", b"1")
    more = worker.go()

    assert sink.taken == encode_message([b"healthy", b"1"])
    assert more, "most of the crowd still wait"
    assert few not in worker.pump.waiting


def test_when_all_who_wait_have_left_the_round_is_over() -> None:
    worker = Rounds((b"A",), 4)
    worker.go()
    for member in worker.members:
        worker.pump.remove(member)
    worker.log.publish(b"A", b"1")
    worker.pump.follow()
    _, sink = worker.member(b"A")
    worker.log.publish(b"A", b"2")
    worker.finish()

    assert sink.taken == message(2)


def test_a_batch_that_takes_long_to_sort_ends_before_the_others() -> None:
    """It has time for three looks: one message for each, beside the first."""
    worker = Worker(tuning=Tuning(appends_per_look=1, sort_ns=3))
    worker.pump._part = worker.pump.sorting._part = Ticking().part(10**9)
    _, sink = worker.member(b"A")
    for number in range(10):
        worker.log.publish(b"A", b"%d" % number)
    fronts = []
    while worker.pump.advance(10, 0):
        fronts.append(worker.pump.front)

    assert fronts[0] == 3
    assert sink.taken == b"".join(map(message, range(10)))


def test_a_batch_of_topics_that_are_not_known_yet_ends_when_its_time_is_over() -> None:
    worker = Worker(tuning=Tuning(sort_ns=1))
    worker.pump.sorting._part = Ticking().part(1)
    _, sink = worker.member(b"A")
    for number in range(60):
        worker.log.publish(b"A", b"%d" % number, topic_id=number + 1)

    worker.pump.advance(60, 0)

    assert 0 < worker.pump.front < 60
    worker.advance()
    assert sink.taken == b"".join(map(message, range(60)))


def test_members_that_are_behind_are_served_for_as_long_as_there_is_time() -> None:
    worker = Worker()
    both = [worker.member(b"A", room=0) for _ in range(5)]
    worker.log.publish(b"A", b"0")
    worker.advance()
    for member, sink in both:
        sink.room = 1 << 40
        worker.pump.writable(member)
    worker.pump._part = part = Ticking().part(3)
    part.begin()

    worker.pump.serve_runnable(0, 100)

    assert [bool(sink.taken) for _, sink in both] == [True] * 3 + [False] * 2
    assert len(worker.pump.runnable) == 2


@WANTS
def test_who_keeps_up_does_not_wait_for_those_who_do_not(
    prefixes: tuple[bytes, ...], shared_prefixes: int
) -> None:
    worker = Rounds(prefixes, shared_prefixes)
    pump, last = worker.pump, worker.members[-1]
    pump.steady[last] = None  # it stands behind all the others

    more = [worker.go(), worker.go()]
    worker.log.publish(b"A", b"1")
    more += [worker.go(), worker.go()]

    assert worker.sinks[-1].taken == message(0) + message(1)
    assert (more[1], more[3], pump.front, pump.served) == (False, False, 2, 2)
    went_on = [member for member in worker.members if member.blocked]
    assert went_on == list(pump.runnable) == worker.members[EACH:-1]
    assert all(not sink.taken for sink in worker.sinks[EACH:-1])
    assert figures(worker, went_on[0]) == (2, 0, 2)
    worker.finish()
    assert {sink.taken for sink in worker.sinks} == {message(0) + message(1)}
    assert all_figures(worker) == {(2, 2, 0): 3 * EACH}
    assert pump.totals.sent == pump.totals.matched == 6 * EACH
    assert not pump.blocked


@WANTS
def test_a_round_has_some_parts_of_turns_before_anybody_goes_on_alone(
    prefixes: tuple[bytes, ...], shared_prefixes: int
) -> None:
    worker = Rounds(prefixes, shared_prefixes, round_parts=2)
    worker.pump.steady[worker.members[-1]] = None
    blocked, sent = [], []
    for _ in range(3):
        worker.go()
        blocked.append(len(worker.pump.blocked))
        sent.append([bool(sink.taken) for sink in worker.sinks].count(True))

    assert (blocked, sent) == ([0, 0, EACH - 1], [EACH, 2 * EACH, 2 * EACH + 1])
    worker.finish()
    assert {sink.taken for sink in worker.sinks} == {message(0)}


@pytest.mark.parametrize(
    ("prefixes", "is_large", "blocked"),
    [
        ((b"A", b"Z"), False, [0, 2 * EACH - 1, 0]),
        ((b"A", b"Z"), True, [0, 0, EACH - 1]),
        ((b"A", b"#"), True, [0, 0, EACH - 1]),
        ((b"",), True, [0, 2 * EACH - 1, 0]),
    ],
    ids=["small sends", "its own picks", "each its own picks", "everything, which is not sorted"],
)
def test_who_is_sent_much_at_once_waits_longer_for_the_next_round_is_shorter(
    prefixes: tuple[bytes, ...], is_large: bool, blocked: list[int]
) -> None:
    worker = Rounds(prefixes, 0, round_parts_max=2)
    pump = worker.pump
    pump.steady[worker.members[-1]] = None
    pump._pace.share = 1.0 if is_large else 1e-9
    before, more = 0, []
    for _ in range(3):
        worker.go()
        more.append(len(pump.blocked) - before)
        before = len(pump.blocked)

    assert more == blocked
    worker.finish()
    assert {sink.taken for sink in worker.sinks} == {message(0)}


@pytest.mark.parametrize("is_large", [False, True])
@pytest.mark.parametrize(
    ("round_parts", "steady", "messages"), [(1, 1, 4), (2, 1, 4), (3, 1, 8), (1, 3 * EACH, 8)]
)
def test_after_a_round_that_was_too_long_for_who_keeps_up_the_next_is_shorter(
    round_parts: int, steady: int, messages: int, is_large: bool
) -> None:
    """Whether it was because some went on by themselves or in spite of all having waited."""
    worker = Rounds((b"A", b"#"), 0, round_parts=round_parts, round_parts_max=8)
    pump, taken = worker.pump, 8
    pump._pace.share = 1.0 if is_large else 1e-9
    pump.steady.update(dict.fromkeys(worker.members[:steady]))
    for number in range(1, taken):
        worker.log.publish(b"A", b"%d" % number)
    pump._pace.messages = taken
    while worker.go():
        continue

    assert pump._pace.messages == messages
    assert bool(pump.blocked) == (messages < taken and not is_large)


@WANTS
def test_who_turns_out_to_keep_up_during_a_round_need_not_wait_for_its_end(
    prefixes: tuple[bytes, ...], shared_prefixes: int
) -> None:
    """It began with nobody steady, when all wait for each other."""
    worker = Rounds(prefixes, shared_prefixes)
    first = worker.members[0]
    assert [worker.go(), worker.go()] == [True, True]
    worker.pump.steady[first] = None
    worker.go()
    worker.log.publish(b"A", b"1")
    worker.go()

    assert worker.sinks[0].taken == message(0) + message(1)
    assert all(not sink.taken for sink in worker.sinks[2 * EACH :])
    worker.finish()
    assert {sink.taken for sink in worker.sinks} == {message(0) + message(1)}


def test_to_put_off_many_takes_several_turns_and_nobody_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rounds, "DIVIDED_PER_LOOK", EACH // 2)
    worker = Rounds((b"A",), 4)
    worker.pump.steady[worker.members[-1]] = None
    found = []
    for _ in range(6):
        worker.go()
        found.append(len(worker.pump.blocked))

    left = 2 * EACH - 1  # who are neither steady nor were sent it in the first turn
    assert found == [0, *range(EACH // 2, left, EACH // 2), left, left]
    assert worker.sinks[-1].taken == message(0)
    worker.finish()
    assert {sink.taken for sink in worker.sinks} == {message(0)}


def test_large_messages_leave_time_for_fewer_sends_between_two_looks() -> None:
    worker = Worker(tuning=Tuning(shared_from=0, bytes_per_send=10))
    worker.pump._part = part = Ticking().part(1)
    sinks = [worker.member(b"A")[1] for _ in range(EACH)]
    worker.log.publish(b"A", bytes(60))
    part.begin()

    assert worker.pump.advance(1, 0)
    assert 0 < sum(bool(sink.taken) for sink in sinks) <= EACH // 6


@pytest.mark.parametrize("messages", [1, 2])
def test_nobody_waits_for_a_crowd_unless_there_is_much_to_send(messages: int) -> None:
    worker = Rounds((b"A",), 4, crowd_messages=1)
    pump = worker.pump
    other, sink = worker.member(b"B")
    pump.steady.update(dict.fromkeys([*worker.members, other]))
    for number in range(1, messages):
        worker.log.publish(b"A", b"%d" % number)
    worker.go()
    worker.log.publish(b"B", b"b")
    for _ in range(3):
        worker.go()

    assert sink.taken == encode_message([b"B", b"b"])
    assert [bool(each.taken) for each in worker.sinks].count(True) == (1, 3)[messages - 1] * EACH
    assert len(pump.blocked) == (2 * EACH if messages == 1 else 0)
    worker.finish()
    expected = b"".join(map(message, range(messages)))
    assert {each.taken for each in worker.sinks} == {expected}
    assert all_figures(worker) == {(messages, messages, 0): 3 * EACH}
    assert not pump.blocked


@WANTS
def test_equals_wait_for_each_other(prefixes: tuple[bytes, ...], shared_prefixes: int) -> None:
    """They are sent the same with one join, which those cannot be who go on by themselves."""
    worker = Rounds(prefixes, shared_prefixes)
    worker.pump.steady.update(dict.fromkeys(worker.members))

    assert [worker.go() for _ in range(3)] == [True, True, False]
    assert {sink.taken for sink in worker.sinks} == {message(0)}
    assert not worker.pump.blocked


def test_who_keeps_up_goes_on_before_those_who_do_not() -> None:
    """And these have a little time once there is something new, and all of it if there is not."""
    worker = Worker(tuning=Tuning(others_ns=2))
    both = [worker.member(b"A", room=0) for _ in range(8)]
    worker.log.publish(b"A", b"0")
    worker.advance()
    for member, sink in both:
        sink.room = 1 << 40
        worker.pump.writable(member)
    worker.pump.steady[both[6][0]] = None
    worker.pump._part = part = Ticking().part(4)
    worker.log.publish(b"A", b"1")
    part.begin()

    worker.pump.serve_runnable(0, 100)
    served = [[bool(sink.taken) for _, sink in both]]
    worker.advance()
    worker.pump.serve_runnable(0, 100)
    served.append([bool(sink.taken) for _, sink in both])

    assert served[0] == [True] * 2 + [False] * 4 + [True] + [False]
    assert served[1] == [True] * 5 + [False] + [True] + [False]
    assert both[6][1].taken == message(0) + message(1), "it was ready for what came next"


def test_who_is_behind_has_less_time_while_others_wait_in_a_round() -> None:
    served = []
    for waits in (False, True):
        worker = Worker(tuning=Tuning(behind_ns=2, others_ns=2))
        late = [worker.member(b"A", room=0) for _ in range(8)]
        ready = [worker.member(b"A")[0] for _ in range(2)]
        worker.log.publish(b"A", b"0")
        worker.advance()
        for member, sink in late:
            sink.room = 1 << 40
            worker.pump.writable(member)
            worker.pump.steady[member] = None
        worker.pump.waiting.update(ready[: 2 * waits])
        worker.pump._part = part = Ticking().part(4)
        part.begin()
        worker.pump.serve_runnable(0, 100)
        served.append(sum(bool(sink.taken) for _, sink in late))

    assert served == [4, 2]


def test_limits_are_enforced_for_as_long_as_there_is_time() -> None:
    worker = Worker(limit_bytes=30)
    both = [worker.member(b"A", room=0) for _ in range(5)]
    for _ in range(10):
        worker.log.publish(b"A", b"0")
    worker.advance()
    worker.pump._part = part = Ticking().part(2)
    again = []
    for _ in range(4):
        part.begin()
        again.append(worker.pump.enforce(0))

    assert again == [True, True, False, False]
    reached = [effect.member for effect in worker.pump.effects]
    assert reached == [member for member, _ in both]


def test_the_last_of_many_is_looked_for_again_only_when_it_has_moved() -> None:
    worker = Worker()
    first, sink = worker.member(b"A", room=0)
    worker.log.publish(b"A", b"0")
    worker.advance()
    worker.member(b"A", room=0)
    worker.log.publish(b"A", b"1")
    worker.advance()
    tails = [worker.pump.move_tail()]
    sink.room = 1 << 40
    worker.serve(first)
    tails.append(worker.pump.move_tail())

    assert tails == [0, 1]


def test_past_what_nobody_wants_the_front_moves_without_a_round() -> None:
    worker = Worker()
    member, sink = worker.member(b"B")
    for _ in range(3):
        worker.log.publish(b"A", b"0")
    wanted = worker.log.publish(b"B", b"1")
    head = worker.log.reader.head()

    assert worker.pump.pass_by(head)
    assert (worker.pump.front, sink.taken) == (wanted, b"")
    assert not worker.pump.pass_by(head), "somebody wants the next one"
    worker.advance()
    assert figures(worker, member) == (1, 1, 0)
    assert not worker.pump.pass_by(head), "there is nothing"


def test_nothing_is_passed_by_that_somebody_takes_with_everything() -> None:
    worker = Worker()
    worker.member(b"")
    worker.log.publish(b"A", b"0")

    assert not worker.pump.pass_by(worker.log.reader.head())


def test_nothing_is_passed_by_in_a_round_that_was_interrupted() -> None:
    worker = Rounds((b"A", b"Z"), 0)
    worker.go()
    assert worker.pump.in_round
    front = worker.pump.front
    worker.log.publish(b"B", b"")

    assert not worker.pump.pass_by(worker.log.reader.head())
    assert worker.pump.front == front
    worker.finish()
    assert [figures(worker, member) for member in worker.members] == [(1, 1, 0)] * 3 * EACH
