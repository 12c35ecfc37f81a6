"""Who comes to want what another one was just sent is sent the same, and nothing is looked for."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.shm.layout import PAGE, Layout
from fanout.shm.value_layout import ValueTable
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.tuning import TUNING
from tests.helpers.taking_over import Killed, TakingOver, messages_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fanout.workers.connections.peer import Peer, PointedTo
    from tests.helpers.taking_over import Subscriber

LAYOUT = Layout(64 * PAGE, 1024, 64, table=ValueTable(10, 16 * PAGE))
TOPICS = (b"A", b"AB", b"B")
VALUES = [(topic, topic.lower()) for topic in TOPICS]
ROOM = 1 << 20
LIVE = len(b"..C..c")  # bytes of a message that comes then
BYTES = sum(2 + len(topic) + 2 + len(payload) for topic, payload in VALUES)  # on the wire


def make(workers: int = 1, *, ipc: bool = False) -> TakingOver:
    """Three last values."""
    taking = TakingOver(LAYOUT, TUNING, workers, ROOM, ipc=ipc, log_bytes=LAYOUT.data_bytes)
    for message in VALUES:
        assert taking.publish(*message)
    return taking


@pytest.fixture(params=[False, True], ids=["tcp", "ipc"])
def taking(request: pytest.FixtureRequest) -> Iterator[TakingOver]:
    """One worker, and two who have just got all values: the second one as the first did."""
    with closing(make(ipc=request.param)) as taking:
        come(taking, b"")
        come(taking, b"")
        yield taking


def come(taking: TakingOver, *topics: bytes, policy: SlowPolicy | None = None) -> Subscriber:
    """Somebody connects, and then subscribes to all of these at once."""
    worker = taking.workers[0]
    one = taking.connect([], worker, ROOM)
    if policy is not None:
        taking.set_policy(one, policy)
    subscribe(taking, one, *topics)
    taking.settle(worker)
    return one


def subscribe(taking: TakingOver, one: Subscriber, *topics: bytes) -> None:
    for topic in topics:
        one.session.subscribe(topic)
    one.say()
    taking.turn(taking.served[one.number])


def forget(taking: TakingOver, name: bytes) -> None:
    """Its last value is to be sent to nobody any more."""
    topics = taking._topics
    assert topics is not None
    topic = topics.find(name)
    if topic is not None:
        topics.forget(topic)


def peer_of(taking: TakingOver, one: Subscriber) -> Peer:
    return taking.served[one.number].desk.peers[one.number]


def got(one: Subscriber) -> list[tuple[bytes, bytes]]:
    return [*messages_in(bytes(one.received))]


class Looks:
    """How often something was looked for, for whom there are values."""

    def __init__(self, taking: TakingOver) -> None:
        self.count = 0
        backlog = taking.workers[0].pump.backlog
        show = backlog.show
        assert show is not None

        def noted(member: Any) -> Any:
            self.count += 1
            return show(member)

        backlog.show = noted


def test_those_who_come_behind_are_sent_the_same_and_counted(taking: TakingOver) -> None:
    (worker,) = taking.workers
    looks, totals = Looks(taking), worker.pump.totals
    before = totals.sent, totals.sent_bytes, totals.matched, totals.from_snapshot
    several = [come(taking, b"") for _ in range(3)]
    taking.publish(b"C", b"c")
    taking.settle(worker)

    assert [got(one) for one in several] == [[*VALUES, (b"C", b"c")]] * 3
    assert looks.count == 0
    for one in several:
        member = peer_of(taking, one).member
        worker.pump.settle(member)
        assert member.sent == member.matched == 4
        assert member.sent_bytes == member.matched_bytes == BYTES + LIVE
    live = len(taking.subscribers)
    after = totals.sent, totals.sent_bytes, totals.matched, totals.from_snapshot
    assert [now - then for now, then in zip(after, before, strict=True)] == [
        *(9 + live, 3 * BYTES + live * LIVE),
        *(9 + live, 9),
    ]


def test_their_records_point_to_what_that_of_the_first_does(taking: TakingOver) -> None:
    first, *_others = taking.subscribers.values()
    shared, *others = [pointed_to_when_sent(taking) for _ in range(3)]

    assert shared.stored is not None
    assert all(other is shared for other in others)
    assert taking.record_of(first).kind == taking.record_of(come(taking, b"")).kind


def pointed_to_when_sent(taking: TakingOver) -> PointedTo:
    """Of one who comes, before its next checkpoint, whose record points to nothing any more.

    On a busy machine the network may take so long that there is one before all has come.
    """
    one = taking.connect([], taking.workers[0], ROOM)
    subscribe(taking, one, b"")
    pointed_to = peer_of(taking, one).pointed_to
    taking.settle(taking.workers[0])
    return pointed_to


def test_a_list_of_many_names_is_compared_in_the_order_in_which_it_was_said() -> None:
    names = [b"A", b"B", *(b"%d" % number for number in range(20))]
    with closing(make()) as taking:
        come(taking, *names)
        come(taking, *names)
        looks = Looks(taking)
        same, other = come(taking, *names), come(taking, *names[::-1])

        assert looks.count > 0, "for the other one"
        assert sorted(got(same)) == sorted(got(other)) == sorted(VALUES)


DIFFERENCES: dict[str, Callable[[TakingOver], Subscriber]] = {
    "other prefixes": lambda taking: come(taking, b"A"),
    "more of them": lambda taking: come(taking, b"", b"A"),
    "only the newest": lambda taking: come(taking, b"", policy=SlowPolicy("conflate")),
    "to be told where that ends": lambda taking: come(taking, b"\x00fanout.snapshot", b""),
    "to be told of gaps": lambda taking: come(taking, b"\x00fanout.gap", b""),
    "not what it has had": lambda taking: come(
        taking, b"\x00fanout.since=%016x:1" % taking.log.log.epoch, b""
    ),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_who_wants_something_else_is_sent_that(taking: TakingOver, name: str) -> None:
    looks = Looks(taking)
    one = DIFFERENCES[name](taking)

    wanted = [(topic, payload) for topic, payload in VALUES if topic.startswith(b"A")]
    expected = {"other prefixes": wanted, "not what it has had": VALUES[2:]}.get(name, VALUES)
    assert looks.count > 0
    assert [message for message in got(one) if not message[0].startswith(b"\0")] == expected


def test_what_is_sent_to_one_that_says_more_now_is_not_what_it_wanted_before(
    taking: TakingOver,
) -> None:
    """It had come in time for what others were sent, and asks for the past of something else."""
    for _ in range(2):
        come(taking, b"B")
    one = come(taking, b"A")
    one.session.subscribe(b"\x00fanout.since=-0")
    one.session.cancel(b"A")
    subscribe(taking, one, b"B")
    taking.settle(taking.workers[0])
    other = come(taking, b"A")

    assert got(other) == VALUES[:2]


def test_who_comes_when_something_newer_is_there_is_sent_that(taking: TakingOver) -> None:
    taking.publish(b"A", b"newer")
    taking.settle(taking.workers[0])
    one = come(taking, b"")

    assert got(one) == [*VALUES[1:], (b"A", b"newer")]


def test_who_comes_when_a_value_is_forgotten_is_not_sent_it(taking: TakingOver) -> None:
    forget(taking, b"AB")
    one = come(taking, b"")

    assert got(one) == [VALUES[0], VALUES[2]]


def test_who_comes_when_there_are_keyframes_is_not_sent_what_was_joined(
    taking: TakingOver,
) -> None:
    taking.publish(b"A", b"key", is_keyframe=True)
    taking.settle(taking.workers[0])
    come(taking, b"")
    come(taking, b"")
    looks = Looks(taking)
    one = come(taking, b"")

    assert looks.count > 0
    assert sorted(got(one)) == sorted([*VALUES[1:], (b"A", b"key")])


def test_one_that_has_something_already_is_sent_what_is_new_to_it(taking: TakingOver) -> None:
    one = come(taking, b"A")
    subscribe(taking, one, b"")
    taking.settle(taking.workers[0])

    assert got(one) == VALUES


@pytest.mark.parametrize("cut", range(BYTES))
@pytest.mark.parametrize("dies", [False, True], ids=["lives", "dies"])
def test_who_takes_a_part_of_it_goes_on_there_whoever_has_it(cut: int, dies: bool) -> None:
    """Its worker dies when it has sent that, or lives."""
    with closing(make(2)) as taking:
        owner, heir = taking.workers
        for _ in range(2):
            come(taking, b"")
        one = taking.connect([], owner, ROOM)
        member = peer_of(taking, one).member
        send, sizes = member.send, [cut]

        def some(data: bytes | memoryview) -> int:
            if not sizes or not sizes[0]:
                raise BlockingIOError
            return send(data[: sizes.pop()])

        member.send = some
        subscribe(taking, one, b"")
        assert member.blocked
        member.send = send
        taking.publish(b"C", b"c")
        if dies:
            taking.hand_over(taking.kill(owner), heir)
        else:
            owner.pump.have_room([member])
        taking.settle(taking.served[one.number])

        assert got(one) == [*VALUES, (b"C", b"c")]
        assert {outcome.reason for outcome in taking.outcomes} <= {""}
        worker, member = taking.served[one.number], peer_of(taking, one).member
        worker.pump.settle(member)
        assert member.sent == member.matched == 4
        assert member.sent_bytes == member.matched_bytes == BYTES + LIVE


def test_one_whose_connection_is_dead_is_closed(taking: TakingOver) -> None:
    one = taking.connect([], taking.workers[0], ROOM)
    peer_of(taking, one).member.send = _broken
    subscribe(taking, one, b"")
    taking.turn(taking.workers[0])

    assert one.number not in taking.workers[0].desk.peers


def _broken(_data: bytes | memoryview) -> int:
    raise ConnectionResetError


@pytest.mark.parametrize("points", range(1, 16))
def test_whoever_dies_at_any_step_of_it_leaves_it_to_another_one_or_has_it_closed(
    points: int,
) -> None:
    with closing(make(2)) as taking:
        owner, heir = taking.workers
        for _ in range(2):
            come(taking, b"")
        one = taking.connect([], owner, ROOM)
        one.session.subscribe(b"")
        one.say()
        taking.around(owner).life.points = points
        with suppress(Killed):
            taking.turn(owner)
        taking.hand_over(taking.kill(owner), heir)
        taking.settle(heir)

        reasons = [
            outcome.reason for outcome in taking.outcomes if outcome.subscriber == one.number
        ]
        assert reasons in ([""], ["it was about to get what it missed"])
        assert got(one) == (VALUES if reasons == [""] else [])


STEPS = st.one_of(
    st.tuples(st.just("publish"), st.sampled_from(TOPICS)),
    st.tuples(st.just("forget"), st.sampled_from(TOPICS)),
    st.tuples(st.just("turn"), st.just(b"")),
    st.tuples(st.just("come"), st.sampled_from((b"", b"", b"A", b"B"))),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=14))
def test_everybody_gets_what_each_would_get_by_himself(steps: list[tuple[str, bytes]]) -> None:
    received, counted = [], []
    for is_alike in (True, False):
        with closing(make()) as taking:
            (worker,) = taking.workers
            values: Any = worker.desk.replays.values
            if not is_alike:
                values.alike.fits = lambda *_: False
            act(taking, steps)
            taking.settle(worker)
            everybody = [*taking.subscribers.values()]
            received.append([got(one) for one in everybody])
            totals = worker.pump.totals
            counted.append((totals.sent, totals.sent_bytes, totals.matched, totals.from_snapshot))

    assert received[0] == received[1]
    assert counted[0] == counted[1]


def act(taking: TakingOver, steps: list[tuple[str, bytes]]) -> None:
    (worker,) = taking.workers
    for number, (what, name) in enumerate(steps):
        if what == "publish":
            taking.publish(name, b"%d" % number)
        elif what == "forget":
            forget(taking, name)
        elif what == "turn":
            taking.turn(worker)
        else:
            subscribe(taking, taking.connect([], worker, ROOM), name)
