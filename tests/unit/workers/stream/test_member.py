"""Members: states change as the table says."""

from __future__ import annotations

import itertools

import pytest

from fanout.workers.policy.block import Block
from fanout.workers.stream.member import BLOCKED, HELD, LOST, READY, Member, MemberState

ALLOWED = {
    (READY, BLOCKED), (READY, HELD), (READY, LOST),
    (BLOCKED, READY), (BLOCKED, HELD), (BLOCKED, LOST),
    (HELD, BLOCKED), (HELD, LOST),
}  # fmt: skip


def member_in(state: MemberState) -> Member:
    member = Member(1, len, Block())
    if state is not READY:
        member.become(state)
    return member


@pytest.mark.parametrize(("before", "after"), list(itertools.product(MemberState, MemberState)))
def test_states_change_as_the_table_says(before: MemberState, after: MemberState) -> None:
    member = member_in(before)

    if before is after or (before, after) in ALLOWED:
        member.become(after)
        assert (member.state, member.blocked) == (after, after is not READY)
    else:
        with pytest.raises(AssertionError, match=str(before)):
            member.become(after)
        assert member.state is before


def test_a_held_member_that_is_lost_is_not_served_when_its_report_is_out() -> None:
    member = member_in(HELD)
    member.become(LOST)

    with pytest.raises(AssertionError):
        member.become(BLOCKED)
