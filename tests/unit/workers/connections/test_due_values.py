"""Those who subscribe in one turn are sent their last values when all their changes are applied."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from fanout.workers.stream.joining import Joining
from fanout.workers.tuning import TUNING, ShowTuning
from tests.helpers.taking_over import TakingOver
from tests.unit.workers.connections.test_alike import (
    LAYOUT,
    ROOM,
    VALUES,
    Looks,
    come,
    got,
    make,
    peer_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.helpers.taking_over import Subscriber

MANY = 5


@pytest.fixture
def taking() -> Iterator[TakingOver]:
    """One worker and some who want nothing yet."""
    with closing(make()) as taking:
        for _ in range(MANY):
            taking.connect([], taking.workers[0], ROOM)
        taking.settle(taking.workers[0])
        yield taking


def all_subscribe(taking: TakingOver, topic: bytes = b"") -> list[Subscriber]:
    """In one turn, which is to come."""
    everybody = [*taking.subscribers.values()]
    for one in everybody:
        one.session.subscribe(topic)
        one.say()
    return everybody


def sends(taking: TakingOver, steps: list[str]) -> None:
    """Filled with what is done, one after the other."""
    (worker,) = taking.workers
    change = worker.pump.change

    def changed(*arguments: Any) -> None:
        steps.append("changed")
        change(*arguments)

    worker.pump.change = changed  # type: ignore[assignment]
    for one in taking.subscribers.values():
        member = peer_of(taking, one).member

        def send(data: bytes | memoryview, send: Any = member.send) -> int:
            steps.append("sent")
            return int(send(data))

        member.send = send


def test_all_changes_are_applied_before_anything_is_sent(taking: TakingOver) -> None:
    steps: list[str] = []
    sends(taking, steps)
    everybody = all_subscribe(taking)
    taking.turn(taking.workers[0])

    assert steps == ["changed"] * MANY + ["sent"] * MANY
    taking.settle(taking.workers[0])
    assert [got(one) for one in everybody] == [VALUES] * MANY


def test_what_the_first_is_sent_is_joined_once_for_those_who_come_with_it(
    taking: TakingOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined, join = list[Any](), Joining.join

    def noted(self: Joining, *which: Any, **how: Any) -> Any:
        joined.append(how.get("at_once"))
        return join(self, *which, **how)

    monkeypatch.setattr(Joining, "join", noted)
    looks = Looks(taking)
    everybody = all_subscribe(taking)
    taking.turn(taking.workers[0])

    assert len(joined) == 1
    assert joined[0] is not None, "so much as is sent of what others have as well"
    counted = looks.count
    taking.settle(taking.workers[0])
    assert looks.count == counted, "all have it"
    assert [got(one) for one in everybody] == [VALUES] * MANY
    records = {peer_of(taking, one).pointed_to.stored for one in everybody}
    assert len(records) == 1


def test_to_find_and_join_it_takes_nothing_of_the_time_of_those_who_come_with_it(
    taking: TakingOver,
) -> None:
    (worker,) = taking.workers
    around, written = (
        taking.around(worker),
        [peer_of(taking, one).record.count for one in taking.subscribers.values()],
    )
    show = worker.pump.backlog.show
    assert show is not None

    def slowly(member: Any) -> Any:
        around.time += TUNING.part_ns // 4  # after which there is just time to end it
        return show(member)

    worker.pump.backlog.show = slowly
    everybody = all_subscribe(taking)
    taking.turn(worker)

    more = [
        peer_of(taking, one).record.count - before
        for one, before in zip(everybody, written, strict=True)
    ]
    assert more == [1] * MANY
    taking.settle(worker)
    assert [got(one) for one in everybody] == [VALUES] * MANY


def test_who_is_sent_more_than_one_piece_is_behind_after_the_first() -> None:
    tuning = replace(TUNING, serve_steps=1, show=ShowTuning(values_per_send=1))
    with closing(TakingOver(LAYOUT, tuning, 1, ROOM, log_bytes=LAYOUT.data_bytes)) as taking:
        (worker,) = taking.workers
        for message in VALUES:
            taking.publish(*message)
        one = taking.connect([], worker, ROOM)
        taking.settle(worker)
        member, advance, sent = peer_of(taking, one).member, worker.pump.advance, list[int]()

        def noted(head: int, now: int) -> bool:
            sent.append(member.sent)
            return advance(head, now)

        worker.pump.advance = noted  # type: ignore[method-assign]
        all_subscribe(taking)
        taking.turn(worker)

        assert sent[0] == 1
        taking.settle(worker)
        assert got(one) == VALUES


@pytest.mark.parametrize("is_first", [False, True])
def test_what_is_wanted_all_the_time_does_not_come_again(*, is_first: bool) -> None:
    """Said at once, and read at once: who cancels first wants it anew."""
    with closing(make()) as taking:
        (worker,) = taking.workers
        one = come(taking, b"A")
        session = one.session
        for verb in ("subscribe", "cancel") if is_first else ("cancel", "subscribe"):
            getattr(session, verb)(b"" if verb == "subscribe" else b"A")
        one.say()
        taking.settle(worker)

        again = [value for value in VALUES if not (is_first and value[0].startswith(b"A"))]
        assert sorted(got(one)) == sorted([*VALUES[:2], *again])


def test_names_are_learned_when_somebody_connects() -> None:
    with closing(make()) as taking:
        (worker,) = taking.workers
        taking.connect([], worker, ROOM)
        taking.turn(worker)
        values: Any = worker.desk.replays.values

        assert sorted(values.alike._showing.names.places) == [topic for topic, _ in VALUES]


def test_what_is_cancelled_at_once_takes_nothing_from_what_waits(taking: TakingOver) -> None:
    """It was never wanted: so nothing of what others are to bring was sent by that."""
    (worker,) = taking.workers
    one = next(iter(taking.subscribers.values()))
    member = peer_of(taking, one).member
    send = member.send

    def full(_data: bytes | memoryview) -> int:
        raise BlockingIOError

    member.send = full
    one.session.subscribe(b"")
    one.say()
    taking.turn(worker)
    one.session.subscribe(b"A")
    one.session.cancel(b"A")
    one.say()
    taking.turn(worker)
    member.send = send
    worker.pump.have_room([member])
    taking.settle(worker)

    assert got(one) == VALUES
