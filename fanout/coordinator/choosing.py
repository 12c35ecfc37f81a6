"""Which policy each subscriber has: the one place where that is decided. Pure.

The first that there is of: what a call has chosen for it, what it has chosen for itself, what the
first rule says that fits it, what the publisher says. It is decided anew whenever one of them may
have changed: when it connects, subscribes or cancels, says something of itself, and at a call.

What a subscriber chooses for itself stands on what it would have otherwise: who only says
`limit_messages` keeps the action of its rule. It cannot choose more than the publisher allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from fanout.control.messages import SetPolicy
from fanout.coordinator.actions import NoteChoice, Say, Tell, tell_of
from fanout.events import EventKind
from fanout.terms.addresses import ip_of
from fanout.terms.slow_policy import LOG_PART, SlowPolicy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fanout.coordinator.actions import Action
    from fanout.coordinator.roster import Accepted
    from fanout.options import Options
    from fanout.terms.slow_policy import SlowRule

Network: TypeAlias = IPv4Network | IPv6Network
Settings: TypeAlias = Mapping[str, Any]  # fields of a `SlowPolicy` by name, each one possible

_CHOSEN_BY = {
    "publisher": "as of the publisher",
    "rule": "by a rule",
    "subscriber": "chosen by itself",
    "call": "set by a call",
}
_BOUNDED = ("limit_bytes", "limit_messages", "limit_age", "max_rate")


class Choice(NamedTuple):
    """What a subscriber is called, which policy it has, and who has chosen that."""

    name: str
    policy: SlowPolicy
    chosen_by: str  # one of `cards.CHOSEN_BY`


class _Rule:
    """A rule, ready to be asked."""

    __slots__ = ("network", "rule")

    def __init__(self, rule: SlowRule) -> None:
        self.rule = rule
        self.network: Network | None = ip_network(rule.address) if rule.address else None

    def fits(self, connection: Accepted, name: str, topics: int) -> bool:
        """Whether every property that it gives is as it says.

        Args:
            topics: subscriptions of this one that begin with the rule's topic.
        """
        rule, network = self.rule, self.network
        return (
            (not rule.endpoint or rule.endpoint == connection.endpoint)
            and (not rule.topic or topics > 0)
            and (not rule.name or fnmatchcase(name, rule.name))
            and (network is None or _is_in(connection.peer, network))
        )


@dataclass(slots=True)
class _Known:
    """What there is to decide by, of one subscriber."""

    choice: Choice  # as it was told
    topics: list[int]  # for each rule: its subscriptions that begin with the topic of that one
    settings: Settings  # what it has chosen for itself
    name: str = ""
    called: SlowPolicy | None = None


class Choices:
    """What is chosen for each subscriber; the coordinator's thread.

    Its mutable state: what is known of each subscriber that is not simply as the publisher says.
    Each method that may change a choice returns what is to be done if it has.

    Args:
        policy: the publisher's.
        rules: the first that fits counts.
        most: up to what a subscriber may choose for itself, see `Options.self_service_max`.
    """

    def __init__(self, policy: SlowPolicy, rules: Sequence[SlowRule], most: SlowPolicy) -> None:
        self._default = Choice("", policy, "publisher")
        self._most = most
        self._rules = [_Rule(rule) for rule in rules]
        self._by_topic = [index for index, one in enumerate(rules) if one.topic]
        self._known: dict[int, _Known] = {}

    def admit(self, connection: Accepted) -> list[Action]:
        """It has connected, which its worker has been told."""
        if not self._rules:
            return []
        actions = self._decide(connection, self._of(connection))
        return [action for action in actions if not isinstance(action, Tell)]  # nothing has changed

    def subscribed(
        self, connection: Accepted, added: Iterable[bytes], cancelled: Iterable[bytes]
    ) -> list[Action]:
        """Its subscriptions have changed by these, each of which is a change."""
        if not self._by_topic:
            return []
        known = self._of(connection)
        for index in self._by_topic:
            begins = self._rules[index].rule.topic
            known.topics[index] += sum([prefix.startswith(begins) for prefix in added])
            known.topics[index] -= sum([prefix.startswith(begins) for prefix in cancelled])
        return self._decide(connection, known)

    def chose(self, connection: Accepted, name: str, settings: Settings) -> list[Action]:
        """It says of itself that it is called so, and wants this; that is all that it says now.

        Raises:
            ConfigError: a setting is none; nothing has changed.
        """
        chosen_on(self._default.policy, settings, self._most)  # to find that out
        known = self._of(connection)
        known.name, known.settings = name, dict(settings)
        return self._decide(connection, known)

    def call(self, connection: Accepted, policy: SlowPolicy | None) -> list[Action]:
        """The publisher's program has chosen this for it; None = nothing any more."""
        known = self._of(connection)
        known.called = policy
        return self._decide(connection, known, is_its_own=False)

    def choice_of(self, subscriber: int) -> Choice:
        """Which policy it has now, and who has chosen that."""
        known = self._known.get(subscriber)
        return self._default if known is None else known.choice

    def has_chosen(self, subscriber: int) -> bool:
        """Whether it has chosen something for itself, as far as that was reported."""
        known = self._known.get(subscriber)
        return known is not None and bool(known.name or known.settings)

    def forget(self, subscriber: int) -> None:
        """It is gone."""
        self._known.pop(subscriber, None)

    def _of(self, connection: Accepted) -> _Known:
        known = self._known.get(connection.subscriber)
        if known is None:
            known = self._known[connection.subscriber] = _Known(
                self._default, [0] * len(self._rules), {}
            )
        return known

    def _decide(
        self, connection: Accepted, known: _Known, *, is_its_own: bool = True
    ) -> list[Action]:
        """What is to be done; `is_its_own`: by what the subscriber has said, which costs it."""
        before = known.choice
        policy, chosen_by = self._default.policy, self._default.chosen_by
        for one, topics in zip(self._rules, known.topics, strict=True):
            if one.fits(connection, known.name, topics):
                policy, chosen_by = one.rule.policy, "rule"
                break
        if known.called is not None:
            policy, chosen_by = known.called, "call"
        elif known.settings:
            policy, chosen_by = chosen_on(policy, known.settings, self._most), "subscriber"
        known.choice = Choice(known.name, policy, chosen_by)
        return _actions_for(connection, before, known.choice, is_its_own=is_its_own)


def _actions_for(
    connection: Accepted, before: Choice, now: Choice, *, is_its_own: bool
) -> list[Action]:
    """What is to be done when a choice has become another one."""
    if now == before:
        return []
    actions: list[Action] = [NoteChoice(connection, *now)]
    if now.name != before.name:
        actions.append(tell_of(EventKind.SUBSCRIBER_NAMED, connection, now.name))
    if now.policy != before.policy:
        message = SetPolicy(connection.subscriber, now.policy.as_dict(), is_its_own, now.chosen_by)
        actions.append(Say(connection.worker, message))
        text = f"{now.policy}, {_CHOSEN_BY[now.chosen_by]}"
        actions.append(tell_of(EventKind.POLICY_CHANGED, connection, text))
    return actions


def chosen_on(base: SlowPolicy, settings: Settings, most: SlowPolicy) -> SlowPolicy:
    """What a subscriber has that chooses this for itself and would else have `base`.

    Of what it does not name, it keeps what it has. What it may not have is cut to what it may:
    `block` it may choose only if the action of `most` is that; else its action stays.
    """
    fields = base.as_dict()
    if settings.get("action") == "block" and most.action != "block":  # as if it were not said
        settings = {name: value for name, value in settings.items() if name != "action"}
    for name, value in settings.items():
        bound = getattr(most, name) if name in _BOUNDED else 0
        fields[name] = min(value or bound, bound) if bound else value
    if "action" in settings or "min_interval" in settings:  # more often is what is more
        fields["min_interval"] = max(fields["min_interval"], most.min_interval)
    if fields["action"] != "conflate":
        fields["min_interval"] = 0.0  # it means nothing then
    return SlowPolicy(**fields)


def choices_for(options: Options) -> Choices:
    """The choices of a publisher with these options: nobody chooses more than its log can hold."""
    most = options.self_service_bound
    return Choices(
        options.policy,
        options.slow_rules,
        replace(
            most,
            limit_bytes=most.limit_bytes or options.log_bytes // LOG_PART,
            limit_messages=most.limit_messages or options.log_entries // LOG_PART,
        ),
    )


def _is_in(peer: str, network: Network) -> bool:
    """Whether the address of a peer, as `transport.listener.peer_name` has it, is in a network."""
    try:
        return ip_address(ip_of(peer).partition("%")[0]) in network
    except ValueError:  # it has none: of a Unix socket, or it has left already
        return False
