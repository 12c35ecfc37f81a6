"""Who is held is judged by what it wanted before, whatever its policy and the limit of that are.

Nobody has been told yet what it is about to want. Who loses nothing gets that from where it was
named; who has lost something, or was conflated, gets it from where its change comes to hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from fanout.reasons import Reason
from fanout.shm.layout import PAGE, Layout
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.stream.effects import Lost
from fanout.zmtp.frames import encode_message
from tests.helpers.log import Worker

if TYPE_CHECKING:
    from fanout.terms.slow_policy import Action
    from fanout.workers.stream.member import Member

SECOND = 1_000_000_000
WAITS = "ABAABAAB"  # topics of what comes while it is held; it wants A, and is about to want B
ALL = [*range(8)]
SIZE = len(encode_message([b"A", b"0"]))


class Outcome(NamedTuple):
    """What it gets of `WAITS`, and how many messages were counted."""

    got: list[int]
    matched: int
    dropped: int = 0
    conflated: int = 0


class Held:
    """A member that wants A, and is held when it is to want B, too, from the first message on."""

    def __init__(self, policy: SlowPolicy) -> None:
        self.worker = Worker(Layout(16 * PAGE, 256, 4))
        self.member, self.sink = self.worker.member(b"A", room=0)
        self.worker.obey(self.member, policy)
        self.worker.pump.hold(self.member)

    def publish(self, topics: str, now: int = 0) -> None:
        """A message on each of these, with its number; everybody is judged after each."""
        for topic in topics:
            number = b"%d" % self.worker.log.reader.head()
            self.worker.log.publish(topic.encode(), number)
            self.worker.advance(now)
            self.worker.enforce(now)

    def release(self, now: int = 0) -> None:
        """Its change holds; and it takes all that it is sent."""
        self.worker.pump.release(self.member, [b"A", b"B"], 0, now)
        self.worker.enforce(now)
        self.sink.room = 1 << 40
        self.worker.serve(self.member, now)

    def outcome(self) -> Outcome:
        """What has become of all that came."""
        member: Member = self.member
        self.worker.pump.settle(member)
        assert member.queued == member.queued_bytes == 0
        assert len(self.sink.taken) == member.sent * SIZE == member.sent_bytes
        got = [int(chr(number)) for number in self.sink.taken[SIZE - 1 :: SIZE]]
        return Outcome(got, member.matched, member.dropped, member.conflated)


@pytest.mark.parametrize(
    ("policy", "want"),
    [
        # It finishes with the first that fit, of what it wanted: not with those that it may want.
        (SlowPolicy("drop_newest", limit_messages=3), Outcome([0, 2, 3], 5, 2)),
        (SlowPolicy("drop_newest", limit_bytes=3 * SIZE), Outcome([0, 2, 3], 5, 2)),
        # It goes on with the newest of what it wanted, and is judged again when it wants more.
        (SlowPolicy("drop_oldest", limit_messages=4), Outcome([5, 6, 7], 7, 4)),
        (SlowPolicy("drop_oldest", limit_bytes=4 * SIZE), Outcome([5, 6, 7], 7, 4)),
        # What was chosen of all up to message 5 is sent first: nothing of B comes of that any more.
        (SlowPolicy("conflate", limit_messages=3), Outcome([5, 6, 7], 6, 0, 3)),
        (SlowPolicy("conflate", limit_bytes=3 * SIZE), Outcome([5, 6, 7], 6, 0, 3)),
    ],
    ids=str,
)
def test_who_loses_something_goes_by_what_it_wanted(policy: SlowPolicy, want: Outcome) -> None:
    held = Held(policy)

    held.publish(WAITS)
    held.release()

    assert held.outcome() == want


@pytest.mark.parametrize(
    ("policy", "want"),
    [
        (SlowPolicy("drop_newest", limit_age=1), Outcome([0, 2, 3], 5, 2)),
        (SlowPolicy("drop_oldest", limit_age=1), Outcome([4, 5, 6, 7], 7, 3)),
        (SlowPolicy("conflate", limit_age=1), Outcome([6, 7], 6, 0, 4)),
    ],
    ids=str,
)
def test_by_age_too(policy: SlowPolicy, want: Outcome) -> None:
    """Half of it has waited for too long when the rest comes; what is left, when it is released."""
    held = Held(policy)

    held.publish(WAITS[:4])
    held.publish(WAITS[4:], 2 * SECOND)
    held.release(2 * SECOND)

    assert held.outcome() == want


@pytest.mark.parametrize("limit", [{"messages": 8}, {"bytes": 8 * SIZE}], ids=str)
@pytest.mark.parametrize("action", ["drop_newest", "drop_oldest", "disconnect", "block"])
def test_who_loses_nothing_gets_all_from_where_it_was_named(
    action: Action, limit: dict[str, int]
) -> None:
    held = Held(SlowPolicy(action, limit.get("bytes", 0), limit.get("messages", 0)))

    held.publish(WAITS)
    held.release()

    assert held.outcome() == Outcome(ALL, 8)


def test_what_is_too_much_only_by_what_it_wants_then_is_judged_by_that() -> None:
    """It has lost nothing while it was held: the first of all come, whichever they are."""
    held = Held(SlowPolicy("drop_newest", limit_messages=5))

    held.publish(WAITS)
    held.release()
    held.publish("B")

    assert held.outcome() == Outcome([0, 1, 2, 3, 4, 8], 9, 3)


def test_what_comes_behind_what_it_finishes_with_is_lost_by_what_it_wants_then() -> None:
    held = Held(SlowPolicy("drop_newest", limit_messages=3))
    held.publish(WAITS)
    worker, member = held.worker, held.member

    worker.pump.release(member, [b"A", b"B"], 0, 0)
    held.publish("B")
    held.release()
    held.publish("A")

    assert held.outcome() == Outcome([0, 2, 3, 9], 7, 3)


@pytest.mark.parametrize("limit", [4, 5])
def test_whose_connection_ends_is_judged_by_what_it_wanted(limit: int) -> None:
    held = Held(SlowPolicy("disconnect", limit_messages=limit))

    held.publish(WAITS)

    lost = [one.reason for one in held.worker.pump.effects if isinstance(one, Lost)]
    assert lost == [Reason.TOO_SLOW] * (limit < 5)
