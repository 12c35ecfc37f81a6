"""Takeovers: who can go on, from where the log is held, and who is given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.control.messages import Evict
from fanout.coordinator.changes import Changes
from fanout.coordinator.handing_on import HOPE, MAY_SEND
from fanout.coordinator.roster import Accepted
from fanout.coordinator.takeovers import (
    ENDS_WORKERS,
    MAY_HAVE_SENT,
    OWN_ENDS_MAX,
    OWN_ENDS_WITHIN,
    Takeovers,
)
from fanout.reasons import Reason
from fanout.shm.layout import TEXT_BYTES
from fanout.shm.stream_record import Kind, StreamRecord
from fanout.shm.worker_slot import NO_TAIL

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

NUMBERS = dict.fromkeys(StreamRecord._fields[:-1], 0)
RECORD = StreamRecord(**NUMBERS, speech=b"")._replace(
    kind=Kind.GOES_ON, needed=70, sequence=70, following=70, wanted_from=70
)


def connection(
    subscriber: int, endpoint: str = "tcp://127.0.0.1:5", version: str | None = "3.1"
) -> Accepted:
    one = Accepted(subscriber, subscriber, 0, "127.0.0.1:9", endpoint, "zmtp")
    one.version = version
    return one


class Lost:
    """Takeovers, and records by subscriber."""

    def __init__(self) -> None:
        self.takeovers = Takeovers()
        self.changes = Changes()
        self.now = 0.0
        self.why: dict[int, str] = {}

    def lose(
        self,
        connections: list[Accepted],
        records: Mapping[int, StreamRecord] | None = None,
        *,
        tail: int = 60,
        own: bool = False,
        resuming: int = 0,
        may_have_sent: int = 0,
    ) -> tuple[list[int], list[int]]:
        """Who can go on, and who cannot."""
        known = {one.subscriber: RECORD for one in connections} if records is None else records
        found = self.takeovers.sort(
            connections,
            lambda one: known.get(one.subscriber),
            self.changes,
            tail,
            self.now,
            own=own,
            resuming=resuming,
            may_have_sent=lambda one: one.subscriber == may_have_sent,
        )
        self.why = found.why
        orphans = [orphan.connection.subscriber for orphan in found.orphans]
        return orphans, [one.subscriber for one in found.others]


def test_who_has_a_record_goes_on() -> None:
    lost = Lost()
    gone = [
        connection(1),
        connection(2, version=None),
        connection(3, "ipc:///tmp/x"),
        connection(4),
        connection(5),
        connection(6),
        connection(7, "ipc:///tmp/x"),
    ]
    gone[5].over_limit = True
    records = dict.fromkeys((1, 2, 3, 6, 7), RECORD)
    records[5] = RECORD._replace(kind=Kind.NO_ROOM, needed=NO_TAIL)

    assert lost.lose(gone, records, may_have_sent=7) == ([1, 3], [2, 4, 5, 6, 7])
    assert (lost.why[2], lost.why[6]) == ("", "")
    assert lost.why[7] == MAY_HAVE_SENT
    assert (lost.why[4], lost.why[5]) == (Kind.NONE.why_not, Kind.NO_ROOM.why_not)


def test_why_one_does_not_go_on_is_kept_whole_with_its_end() -> None:
    texts = [kind.why_not for kind in Kind if not kind.goes_on]
    texts += [ENDS_WORKERS, f"no worker has served for {HOPE:g} s", MAY_SEND, MAY_HAVE_SENT]
    longest = max(texts, key=len)

    assert len(f"{Reason.WORKER_LOST.text}; {longest}") <= TEXT_BYTES, longest


def test_one_whose_changes_since_its_record_are_not_all_known_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fanout.coordinator.changes.CHANGES_MAX", 1)
    lost = Lost()
    for subscriber in (1, 2):
        lost.changes.add(subscriber, 71, [b"A"], [])
    lost.changes.add(3, 71, [b"A"], [])

    assert lost.lose([connection(1), connection(4)]) == ([4], [1])
    assert "not known" in lost.why[1]


def test_the_log_is_held_for_the_oldest_of_all_that_are_not_heard_of() -> None:
    lost = Lost()
    takeovers = lost.takeovers
    records = {one: RECORD._replace(needed=needed) for one, needed in ((1, 50), (2, 40), (3, 45))}
    idle = RECORD._replace(kind=Kind.WANTS_NOTHING, needed=NO_TAIL)
    assert takeovers.needed == NO_TAIL

    lost.lose([connection(one) for one in (1, 2, 3, 4)], {**records, 4: idle})
    assert takeovers.needed == 40
    for orphan in takeovers.to_hand_on(0.0):
        takeovers.hand_on(orphan.connection.subscriber)
    assert (takeovers.needed, takeovers.waiting) == (40, {})
    for subscriber, needed in ((2, 45), (3, 50), (1, NO_TAIL)):
        assert takeovers.went_on(subscriber) is not None
        assert takeovers.needed == needed
    assert takeovers.pending
    takeovers.went_on(4)
    assert not takeovers.pending


def test_who_is_handed_on_to_one_that_is_lost_too_needs_what_it_needed_before() -> None:
    """The second worker may have written a record, and may not have."""
    lost = Lost()
    one = connection(1)
    lost.lose([one], {1: RECORD._replace(needed=40)}, tail=30)
    lost.takeovers.hand_on(1)

    assert lost.lose([one], {1: RECORD._replace(needed=90)}, tail=80) == ([1], [])
    (orphan,) = lost.takeovers.to_hand_on(0.0)
    assert (orphan.needed, orphan.first) == (40, 40)
    assert lost.takeovers.handed == {}


def test_the_log_is_held_for_who_was_handed_on_and_is_given_up_until_it_is_ended() -> None:
    """What it was owed is counted from before its second worker, which may not have needed that."""
    lost = Lost()
    one = connection(1)
    lost.lose([one], {1: RECORD._replace(needed=40)})
    lost.takeovers.hand_on(1)

    assert lost.lose([one], may_have_sent=1, tail=90) == ([], [1])
    assert (lost.takeovers.needed, lost.takeovers.pending) == (40, False)
    lost.takeovers.forget(1)
    assert lost.takeovers.needed == NO_TAIL


def test_one_that_had_three_workers_that_ended_by_themselves_is_given_up() -> None:
    lost = Lost()
    one = connection(1)
    for _ in range(OWN_ENDS_MAX - 1):
        assert lost.lose([one], own=True) == ([1], [])
    for _ in range(9):
        assert lost.lose([one]) == ([1], []), "to be killed is nobody's fault"
    lost.now = OWN_ENDS_WITHIN
    assert lost.lose([one], own=True) == ([], [1])
    assert lost.why == {1: ENDS_WORKERS}


def test_where_it_is_known_who_ends_workers_the_others_of_the_same_are_not_suspected() -> None:
    lost = Lost()
    three = [connection(one) for one in (1, 2, 3)]
    for _ in range(OWN_ENDS_MAX - 1):
        assert lost.lose(three, own=True, resuming=2) == ([1, 2, 3], [])
    assert lost.lose(three, own=True, resuming=2) == ([1, 3], [2])
    assert lost.lose(three[::2], own=True) == ([1, 3], [])


def test_earlier_ends_are_forgotten_after_a_while() -> None:
    lost = Lost()
    for _ in range(2 * OWN_ENDS_MAX):
        lost.now += OWN_ENDS_WITHIN + 1
        assert lost.lose([connection(1)], own=True) == ([1], [])


def test_who_waits_for_too_long_is_given_up_and_who_is_ended_is_forgotten() -> None:
    lost = Lost()
    lost.lose([connection(1)])
    lost.now = 5.0
    lost.lose([connection(2)])
    late = lost.takeovers.late(5.0)

    assert [orphan.connection.subscriber for orphan in late] == [1]
    assert list(lost.takeovers.waiting) == [2]
    lost.takeovers.forget(2)
    assert not lost.takeovers.pending


def test_who_is_to_be_ended_is_so_by_whichever_worker_has_it_until_it_is() -> None:
    """A worker may be lost before it has read what it was told; then the next one is told."""
    lost = Lost()
    takeovers = lost.takeovers
    evict = Evict(1, 1, "by a call")
    lost.lose([connection(1)])

    assert not takeovers.note_evict(evict), "nobody has it"
    takeovers.hand_on(1)
    assert takeovers.note_evict(evict), "its worker is told"
    lost.lose([connection(1)])
    assert takeovers.evicts == {1: evict}
    takeovers.forget(1)
    assert takeovers.evicts == {}
