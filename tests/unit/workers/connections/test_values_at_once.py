"""Who subscribes is sent last values where its change is applied, with one record of that."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from fanout.shm.layout import PAGE, Layout
from fanout.shm.stream_record import Kind
from fanout.shm.value_layout import ValueTable
from fanout.terms.peer_budget import PEER_BURST_NS
from fanout.workers.tuning import TUNING
from tests.helpers.taking_over import TakingOver, messages_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fanout.workers.connections.peer import Peer
    from tests.helpers.taking_over import Subscriber

LAYOUT = Layout(64 * PAGE, 1024, 64, table=ValueTable(10, 16 * PAGE))
VALUES = [b"0", b"1", b"2"]  # all that there are
TURN_NS = TUNING.others_ns


@pytest.fixture(params=[False, True], ids=["tcp", "ipc"])
def taking(request: pytest.FixtureRequest) -> Iterator[TakingOver]:
    """A worker over a log with three last values; who is there wants none, but for one who has."""
    with closing(TakingOver(LAYOUT, TUNING, 1, 1 << 20, ipc=request.param)) as taking:
        for value in VALUES:
            assert taking.publish(b"topic " + value, value)
        taking.connect([b"topic"], taking.workers[0], 1 << 20)  # the list of them is made
        for _ in range(4):
            taking.connect([], taking.workers[0], 1 << 20)
        taking.settle(taking.workers[0])
        yield taking


def subscribe(taking: TakingOver, *topics: bytes) -> list[Subscriber]:
    """All the others subscribe to these; that is there when this returns."""
    everybody = [*taking.subscribers.values()][1:]
    for one in everybody:
        for topic in topics:
            one.session.subscribe(topic)
        one.say()
    return everybody


def peer_of(taking: TakingOver, one: Subscriber) -> Peer:
    return taking.served[one.number].desk.peers[one.number]


def got(one: Subscriber) -> list[bytes]:
    return [payload for _topic, payload in messages_in(bytes(one.received))]


def records(taking: TakingOver) -> list[int]:
    return [peer_of(taking, one).record.count for one in [*taking.subscribers.values()][1:]]


def passing(taking: TakingOver, nanoseconds: int, when: Callable[[], bool]) -> None:
    """So much time passes with each thing that is sent while that is so."""
    around = taking.around(taking.workers[0])
    for one in [*taking.subscribers.values()][1:]:
        member = peer_of(taking, one).member

        def send(data: bytes | memoryview, send: Any = member.send) -> int:
            if when():
                around.time += nanoseconds
                around.cpu += nanoseconds
            return int(send(data))

        member.send = send


def blocked_before_news(taking: TakingOver, everybody: list[Subscriber]) -> list[list[bool]]:
    """Filled with who is blocked each time that the worker is about to send what is new."""
    (worker,) = taking.workers
    advance, before = worker.pump.advance, list[list[bool]]()

    def noted(head: int, now: int) -> bool:
        before.append([peer_of(taking, one).member.blocked for one in everybody])
        return advance(head, now)

    worker.pump.advance = noted  # type: ignore[method-assign]
    return before


def test_they_are_sent_before_anything_else_is_and_one_record_says_so(taking: TakingOver) -> None:
    (worker,) = taking.workers
    everybody, written = subscribe(taking, b"topic"), records(taking)
    taking.publish(b"topic 3", b"3")  # it is new to the worker, too
    before = blocked_before_news(taking, everybody)
    taking.turn(worker)

    assert before[0] == [False] * len(everybody), "they are ready for what is new"
    assert records(taking) == [count + 1 for count in written]
    for one in everybody:
        assert taking.record_of(one).kind == Kind.GOES_ON
    taking.settle(worker)
    assert [got(one) for one in everybody] == [[*VALUES, b"3"]] * len(everybody)


def test_those_for_whom_there_is_no_time_have_a_record_and_are_sent_theirs_later(
    taking: TakingOver,
) -> None:
    (worker,) = taking.workers
    everybody, written = subscribe(taking, b"topic"), records(taking)
    taking.publish(b"topic 3", b"3")
    front = worker.pump.front
    passing(taking, TURN_NS, lambda: worker.pump.front == front)  # until what is new is sent
    taking.turn(worker)

    more = [now - before for before, now in zip(written, records(taking), strict=True)]
    # What was joined for the first one has a time of its own: see `Patience`.
    assert sorted(more) == [1, 1, 2, 2], "two were served, and the others behind what was new"
    taking.settle(worker)
    assert [sorted(got(one)) for one in everybody] == [[*VALUES, b"3"]] * len(everybody)


def test_all_have_time_while_there_is_nothing_new(taking: TakingOver) -> None:
    (worker,) = taking.workers
    written = records(taking)
    subscribe(taking, b"topic")
    passing(taking, TURN_NS // 2, lambda: True)
    taking.turn(worker)

    assert records(taking) == [count + 1 for count in written]


def test_nobody_is_charged_for_what_is_sent(taking: TakingOver) -> None:
    (worker,) = taking.workers
    subscribe(taking, b"topic")
    passing(taking, PEER_BURST_NS, lambda: True)
    taking.turn(worker)

    assert not worker.reads.spares
    assert not any(peer.budget.debt(peer.last_received) for peer in worker.desk.peers.values())


def test_one_whose_socket_takes_nothing_waits_with_a_record(taking: TakingOver) -> None:
    (worker,) = taking.workers
    everybody, written = subscribe(taking, b"topic"), records(taking)
    full = peer_of(taking, everybody[0]).member
    send, full.send = full.send, _full
    taking.turn(worker)

    assert full.blocked
    assert full.snapshots is not None
    assert records(taking) == [count + 1 for count in written]
    full.send = send
    worker.pump.have_room([full])
    taking.settle(worker)
    assert [got(one) for one in everybody] == [VALUES] * len(everybody)


def test_who_wants_less_of_what_waits_for_it_has_a_record_of_that(taking: TakingOver) -> None:
    (worker,) = taking.workers
    one, *_others = subscribe(taking, b"topic", b"other")
    full = peer_of(taking, one).member
    send, full.send = full.send, _full
    taking.turn(worker)
    written = peer_of(taking, one).record.count
    one.session.cancel(b"topic")
    one.say()
    taking.turn(worker)

    assert peer_of(taking, one).record.count > written
    full.send = send
    worker.pump.have_room([full])
    taking.settle(worker)
    assert got(one) == []


def test_where_there_are_keyframes_they_are_found_when_it_is_the_turn_of_that(
    taking: TakingOver,
) -> None:
    (worker,) = taking.workers
    taking.publish(b"keyed", b"key", is_keyframe=True)
    taking.settle(worker)
    everybody = subscribe(taking, b"topic")
    taking.publish(b"topic 3", b"3")
    before = blocked_before_news(taking, everybody)
    taking.turn(worker)

    assert before[0] == [True] * len(everybody)
    taking.settle(worker)
    assert [got(one) for one in everybody] == [[*VALUES, b"3"]] * len(everybody)


def _full(_data: bytes | memoryview) -> int:
    raise BlockingIOError
