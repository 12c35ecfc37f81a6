"""Budgets: what a peer may take by talking, and what all of them may."""

from __future__ import annotations

from fanout.options import Options
from fanout.terms.peer_budget import ALWAYS_NS, PEER_BURST_NS, PEER_PART, TALK_BURST_NS
from fanout.workers.connections import budgets
from fanout.workers.connections.budgets import MS, Budget, Share

SECOND = 1_000 * MS


def test_a_burst_is_free_and_what_comes_after_it_waits_until_it_is_paid() -> None:
    budget = Budget(0)

    assert budget.spend(PEER_BURST_NS, 0) == 0
    wait = budget.spend(MS, 0)
    assert wait == MS * PEER_PART
    assert budget.spend(0, wait - 1) > 0
    assert budget.spend(0, wait) == 0


def test_the_burst_of_talk_is_smaller_and_what_is_said_of_subscriptions_is_none() -> None:
    budget = Budget(0)

    assert budget.spend(PEER_BURST_NS // 2, 0) == 0
    assert budget.spend(TALK_BURST_NS, 0, is_talk=True) == 0
    wait = budget.spend(MS, 0, is_talk=True)
    assert wait == MS * PEER_PART
    assert budget.spend(MS, 0) == 0
    assert budget.spend(0, wait - 1, is_talk=True) > 0
    assert budget.spend(0, wait, is_talk=True) == 0

    spent = PEER_BURST_NS // 2 + TALK_BURST_NS + 2 * MS
    assert budget.debt(0 + wait) == spent - MS, "it owes all of it, for its talk was too much"


def test_who_comes_again_has_no_more_talk_than_every_connection_begins_with() -> None:
    again, later = Budget(0, TALK_BURST_NS), Budget(0, MS)

    assert again.spend(ALWAYS_NS, 0, is_talk=True) == 0
    assert again.spend(1, 0, is_talk=True) == PEER_PART
    assert later.spend(TALK_BURST_NS - MS, 0, is_talk=True) == 0
    assert later.spend(1, 0, is_talk=True) == PEER_PART


def test_no_more_talk_is_saved_up_than_its_burst() -> None:
    budget = Budget(0)

    assert budget.spend(TALK_BURST_NS, 1_000 * SECOND, is_talk=True) == 0
    assert budget.spend(1, 1_000 * SECOND, is_talk=True) > 0


def test_no_more_is_saved_up_than_a_burst() -> None:
    budget = Budget(0)

    assert budget.spend(PEER_BURST_NS, 1_000 * SECOND) == 0
    assert budget.spend(1, 1_000 * SECOND) > 0


def test_small_earnings_are_not_lost_between_looks() -> None:
    budget = Budget(0)
    budget.spend(PEER_BURST_NS, 0)

    for now in range(1, 10 * PEER_PART + 1):
        budget.spend(0, now)
    assert budget.spend(10, 10 * PEER_PART) == 0


def test_who_stays_within_its_budget_owes_nothing_when_it_ends() -> None:
    """However much of it is missing: a handshake and a list are no debt."""
    budget = Budget(0)
    budget.spend(PEER_BURST_NS, 0)

    assert budget.debt(0) == 0


def test_who_has_been_over_owes_all_that_is_missing_when_it_ends() -> None:
    budget = Budget(0)
    wait = budget.spend(PEER_BURST_NS + MS, 0)

    assert budget.debt(0) == PEER_BURST_NS + MS
    assert budget.debt(wait) == PEER_BURST_NS
    assert budget.debt(wait + PEER_BURST_NS // 2 * PEER_PART) == PEER_BURST_NS // 2
    assert budget.debt(2 * PEER_BURST_NS * PEER_PART) == 0


def test_who_begins_with_a_debt_is_over_sooner_and_hands_it_on_if_it_leaves() -> None:
    debt = PEER_BURST_NS - MS
    budget = Budget(0, debt)

    assert budget.spend(MS, 0) == 0
    assert budget.debt(0) == PEER_BURST_NS
    assert budget.spend(1, 0) == PEER_PART
    idle = Budget(0, debt)
    assert idle.debt(MS) == debt - MS // PEER_PART


def test_less_is_read_at_once_from_who_says_what_takes_long() -> None:
    budget = Budget(0)
    assert budgets.READ_BYTES_MIN < budget.read_bytes < budgets.READ_BYTES_MAX
    for _ in range(10):
        budget.learn(budget.read_bytes, 10 * budgets.READ_AIM_NS)
    assert budget.read_bytes == budgets.READ_BYTES_MIN

    budget.learn(1, 0)
    assert budget.read_bytes == budgets.READ_BYTES_MIN, "one byte says nothing of a thousand"
    for _ in range(10):
        budget.learn(budget.read_bytes, 0)
    assert budget.read_bytes == budgets.READ_BYTES_MAX


def test_who_is_over_its_budget_is_named_once_in_a_while() -> None:
    budget = Budget(0)
    times = range(0, 3 * budgets.NAMED_EACH_NS, budgets.NAMED_EACH_NS // 10)

    assert sum(map(budget.is_to_be_named, times)) == 3


def test_reading_takes_its_share_while_there_is_something_to_send() -> None:
    share = Share(0)
    now = taken = 0
    while now < 10 * SECOND:
        left = share.left(now, busy=True)
        cost = max(0, left) + MS // 10  # it is never hit exactly
        if left > 0:
            share.spend(cost)
            taken += cost
            now += cost
        else:
            now += MS
    assert 0.8 < taken / (10 * SECOND / budgets.BUSY_PART) < 1.2


def test_where_turns_are_long_reading_takes_as_much_as_all_else_but_not_for_ever() -> None:
    share = Share(0)
    now = 10 * SECOND

    assert share.left(now, busy=True) == budgets.TURN_NS
    assert share.left(now, busy=True, others=MS) == budgets.TURN_NS
    assert share.left(now, busy=True, others=6 * MS) == 6 * MS
    assert share.left(now, busy=True, others=SECOND) == budgets.TURN_MAX_NS


def test_with_nothing_to_send_reading_may_take_all_of_it_in_short_turns() -> None:
    share = Share(0)
    for now in range(0, SECOND, MS):
        assert share.left(now, busy=False) == budgets.TURN_NS
        share.spend(budgets.TURN_NS)
    wait = next(t for t in range(0, SECOND, MS) if share.left(SECOND + t, busy=True) > 0)
    assert wait <= 2 * budgets.BUSY_PART * budgets.BUSY_BURST_NS, "that leaves no debt for ever"


def test_a_report_costs_by_what_it_holds() -> None:
    """A thousand long prefixes took 20 ms of the user's process, and paid 50 us."""
    one, thousand = budgets.report_cost([b"A"]), budgets.report_cost([b"A"] * 1_000)
    assert thousand - one == 999 * budgets.REPORT_EACH_NS
    assert budgets.report_cost([b"A" * 41] * 1_000) > 1.9 * thousand
    assert budgets.report_cost([b"A" * 4_000] * 1_000) > 50 * thousand


def test_the_largest_list_fits_in_the_burst() -> None:
    options = Options()
    topics = [b"A" * (options.max_subscriptions_bytes // options.max_subscriptions)]
    cost = budgets.report_cost(topics * options.max_subscriptions)
    assert cost < PEER_BURST_NS // 2, "beside what its worker has of it: as much"
