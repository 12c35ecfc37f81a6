"""Which policy a subscriber has: the order of who may choose, and what may be chosen."""

from __future__ import annotations

from typing import Any

import pytest

from fanout.control.messages import SetPolicy
from fanout.coordinator import actions as do
from fanout.coordinator.choosing import Choices, choices_for, chosen_on
from fanout.coordinator.roster import Accepted
from fanout.errors import ConfigError
from fanout.events import EventKind
from fanout.options import Options
from fanout.terms.slow_policy import SlowPolicy, SlowRule

OURS = SlowPolicy("drop_oldest", 1_000)
RULED = SlowPolicy("conflate", 500, min_interval=1.0)
CALLED = SlowPolicy("disconnect", limit_age=3.0)
UNBOUNDED = SlowPolicy()


def connection(peer: str = "203.0.113.7:41234", endpoint: str = "tcp://127.0.0.1:5556") -> Accepted:
    return Accepted(7, 1, 2, peer, endpoint, "zmtp")


def choices(*rules: SlowRule, most: SlowPolicy = UNBOUNDED) -> Choices:
    return Choices(OURS, rules, most)


def said(actions: list[do.Action]) -> SlowPolicy | None:
    """The policy that its worker is told; None if it is told nothing."""
    messages = [action.message for action in actions if isinstance(action, do.Say)]
    if not messages:
        return None
    (message,) = messages
    assert isinstance(message, SetPolicy)
    assert message.subscriber == 7
    return SlowPolicy(**message.policy)  # type: ignore[arg-type]


def told(actions: list[do.Action]) -> list[tuple[EventKind, str]]:
    events = [action.event for action in actions if isinstance(action, do.Tell)]
    assert all((one.subscriber, one.worker) == (7, 2) for one in events)
    return [(one.kind, one.reason) for one in events]


def noted(actions: list[do.Action]) -> tuple[str, str]:
    """Its name, and who has chosen, as its card says it."""
    (note,) = [action for action in actions if isinstance(action, do.NoteChoice)]
    assert said(actions) in (None, note.policy)
    return note.name, note.chosen_by


def is_its_own(actions: list[do.Action]) -> list[bool]:
    """Whether it pays for what its worker is told."""
    messages = [action.message for action in actions if isinstance(action, do.Say)]
    return [one.is_its_own for one in messages if isinstance(one, SetPolicy)]


def test_who_says_something_pays_for_what_comes_of_it_and_for_no_call() -> None:
    """By a rule, too: which one fits goes by what it is called and wants."""
    made = choices(SlowRule(SlowPolicy("conflate"), topic=b"slow"), most=SlowPolicy("block"))
    one = connection()

    assert is_its_own(made.chose(one, "", {"limit_messages": 5})) == [True]
    assert is_its_own(made.chose(one, "", {})) == [True]
    assert is_its_own(made.subscribed(one, [b"slow"], [])) == [True]
    assert is_its_own(made.call(one, SlowPolicy("block"))) == [False]
    assert is_its_own(made.call(one, None)) == [False]


def test_nothing_is_done_for_who_has_what_the_publisher_says() -> None:
    made = choices()
    one = connection()

    assert made.admit(one) == []
    assert made.subscribed(one, [b"a"], []) == []
    assert made.chose(one, "", {}) == []
    assert made.call(one, None) == []


def test_the_first_that_chooses_counts_and_who_takes_it_back_gives_way_to_the_next() -> None:
    made = choices(SlowRule(RULED, topic=b"book."))
    one = connection()
    made.admit(one)

    assert said(made.subscribed(one, [b"book.A"], [])) == RULED
    own = SlowPolicy("conflate", 400, min_interval=1.0)
    assert said(made.chose(one, "", {"limit_bytes": 400})) == own
    assert said(made.call(one, CALLED)) == CALLED
    assert made.subscribed(one, [], [b"book.A"]) == []  # does not count while there is a call
    assert said(made.call(one, None)) == SlowPolicy("drop_oldest", 400)
    last = made.chose(one, "", {})
    assert said(last) == OURS
    assert noted(last) == ("", "publisher")


def test_what_has_changed_is_told_and_by_whom() -> None:
    made = choices(SlowRule(RULED, name="desk*"))
    one = connection()
    made.admit(one)

    named = made.chose(one, "desk7", {})
    assert told(named) == [
        (EventKind.SUBSCRIBER_NAMED, "desk7"),
        (EventKind.POLICY_CHANGED, "conflate limit_bytes=500 min_interval=1.0, by a rule"),
    ]
    assert noted(named) == ("desk7", "rule")
    again = made.chose(one, "desk8", {})
    assert (told(again), said(again)) == ([(EventKind.SUBSCRIBER_NAMED, "desk8")], None)
    unnamed = made.chose(one, "", {})
    assert told(unnamed)[0] == (EventKind.SUBSCRIBER_NAMED, "")
    assert said(unnamed) == OURS


def test_who_has_a_rule_from_the_start_has_changed_nothing() -> None:
    actions = choices(SlowRule(RULED)).admit(connection())

    assert said(actions) == RULED
    assert told(actions) == []
    assert noted(actions) == ("", "rule")


def test_the_first_rule_that_fits_counts() -> None:
    rules = SlowRule(CALLED, endpoint="tcp://[::1]:1"), SlowRule(RULED), SlowRule(CALLED)
    assert said(choices(*rules).admit(connection())) == RULED


@pytest.mark.parametrize(
    ("address", "peer", "fits"),
    [
        ("10.0.0.0/8", "10.2.3.4:5", True),
        ("10.0.0.0/8", "11.2.3.4:5", False),
        ("10.2.3.4", "10.2.3.4:5", True),
        ("::1", "[::1]:5", True),
        ("2001:db8::/32", "[2001:db8::7]:5", True),
        ("fe80::/10", "[fe80::1%eth0]:41234", True),
        ("10.0.0.0/8", "[::1]:5", False),
        ("0.0.0.0/0", "ipc:1234", False),
        ("0.0.0.0/0", "unknown", False),
    ],
)
def test_a_rule_by_address(address: str, peer: str, fits: bool) -> None:
    actions = choices(SlowRule(RULED, address=address)).admit(connection(peer))
    assert (said(actions) == RULED) == fits


def test_a_rule_by_endpoint() -> None:
    made = choices(SlowRule(RULED, endpoint="ipc:///run/feed"))
    assert said(made.admit(connection())) is None
    assert said(made.admit(connection("ipc:4", "ipc:///run/feed"))) == RULED


def test_a_rule_by_topic_holds_as_long_as_any_subscription_begins_so() -> None:
    made = choices(SlowRule(RULED, topic=b"book."))
    one = connection()
    made.admit(one)

    assert made.subscribed(one, [b"", b"book", b"trade."], []) == []
    assert said(made.subscribed(one, [b"book.A", b"book."], [])) == RULED
    assert made.subscribed(one, [], [b"book.A", b"trade."]) == []
    assert said(made.subscribed(one, [], [b"book."])) == OURS


def test_a_rule_needs_all_that_it_gives() -> None:
    made = choices(SlowRule(RULED, topic=b"a", name="x?"))
    one = connection()
    made.admit(one)

    assert made.subscribed(one, [b"a"], []) == []
    assert said(made.chose(one, "xy", {})) == RULED
    assert said(made.subscribed(one, [], [b"a"])) == OURS


def test_who_is_gone_leaves_nothing_to_the_next() -> None:
    made = choices()
    one = connection()
    made.call(one, CALLED)
    made.forget(one.subscriber)

    assert made.chose(one, "", {"limit_age": 1.0}) != []
    assert said(made.call(one, CALLED)) == CALLED


@pytest.mark.parametrize(
    ("settings", "most", "chosen"),
    [
        ({"limit_bytes": 10}, UNBOUNDED, SlowPolicy("conflate", 10, min_interval=1.0)),
        ({"limit_bytes": 0}, UNBOUNDED, SlowPolicy("conflate", 0, min_interval=1.0)),
        ({"limit_bytes": 10}, SlowPolicy("block", 4), SlowPolicy("conflate", 4, min_interval=1.0)),
        ({"limit_bytes": 0}, SlowPolicy("block", 4), SlowPolicy("conflate", 4, min_interval=1.0)),
        ({"max_rate": 9}, SlowPolicy(max_rate=5), RULED_AND_PACED := SlowPolicy(
            "conflate", 500, min_interval=1.0, max_rate=5)),
        ({"max_rate": 0}, SlowPolicy(max_rate=5), RULED_AND_PACED),
        ({"action": "drop_newest"}, UNBOUNDED, SlowPolicy("drop_newest", 500)),
        ({"action": "block"}, UNBOUNDED, RULED),
        ({"action": "block"}, SlowPolicy("block"), SlowPolicy("block", 500)),
        ({"min_interval": 0.25}, UNBOUNDED, SlowPolicy("conflate", 500, min_interval=0.25)),
        ({"action": "disconnect", "min_interval": 2.0}, UNBOUNDED, SlowPolicy("disconnect", 500)),
    ],
)  # fmt: skip
def test_what_a_subscriber_chooses_stands_on_what_it_has_and_is_cut_to_what_it_may(
    settings: dict[str, object], most: SlowPolicy, chosen: SlowPolicy
) -> None:
    assert chosen_on(RULED, settings, most) == chosen


@pytest.mark.parametrize(
    ("base", "settings", "interval"),
    [
        (SlowPolicy(), {"action": "conflate"}, 0.5),
        (SlowPolicy(), {"action": "conflate", "min_interval": 0.1}, 0.5),
        (SlowPolicy(), {"action": "conflate", "min_interval": 2.0}, 2.0),
        (SlowPolicy("conflate"), {"min_interval": 0.0}, 0.5),
        (SlowPolicy("conflate"), {"limit_messages": 7}, 0.0),  # it has said nothing of that
        (SlowPolicy("conflate"), {"action": "block"}, 0.0),  # nor has it here: that is declined
        (SlowPolicy("conflate"), {"action": "block", "min_interval": 0.1}, 0.5),
        (SlowPolicy("conflate"), {"action": "drop_newest"}, 0.0),
        (SlowPolicy(), {"min_interval": 0.1}, 0.0),  # it does not conflate
    ],
)
def test_who_chooses_to_conflate_gets_no_topic_more_often_than_it_may(
    base: SlowPolicy, settings: dict[str, Any], interval: float
) -> None:
    most = SlowPolicy("conflate", min_interval=0.5)

    assert chosen_on(base, settings, most).min_interval == interval


def test_nobody_chooses_more_than_the_log_can_hold() -> None:
    made = choices_for(Options(log_bytes=1 << 20))
    actions = made.chose(connection(), "", {"limit_bytes": 1 << 40, "limit_messages": 1 << 40})

    assert said(actions) == SlowPolicy("drop_oldest", 1 << 19, 1 << 13)


def test_what_is_no_setting_changes_nothing() -> None:
    made = choices()
    one = connection()
    for settings in ({"action": "stop"}, {"limit_bytes": -1}):
        with pytest.raises(ConfigError):
            made.chose(one, "x", settings)
    assert made.chose(one, "", {}) == []
