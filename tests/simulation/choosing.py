"""The coordinator's part in policies: the real choices, beside what they must come to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fanout.control.messages import SetPolicy
from fanout.coordinator.actions import Say
from fanout.coordinator.choosing import choices_for
from fanout.coordinator.roster import Accepted
from fanout.shm.layout import Layout
from tests.simulation.policies import of_options
from tests.simulation.saying import chosen_on
from tests.simulation.violated import require

if TYPE_CHECKING:
    from fanout.control.messages import Chose
    from fanout.coordinator.actions import Action
    from fanout.options import Options
    from fanout.terms.slow_policy import SlowPolicy


@dataclass(slots=True)
class _Wish:
    connection: Accepted
    policy: SlowPolicy  # that its worker was told of
    called: SlowPolicy | None = None
    said: dict[str, Any] = field(default_factory=dict)


class PlayedCoordinator:
    """Decides which policy each subscriber has, as the coordinator does."""

    def __init__(self, options: Options) -> None:
        self._choices = choices_for(options)
        self._base = of_options(options)
        most = options.self_service_bound
        entries = Layout.for_options(options.log_bytes, 1).entries
        self._most = replace(
            most,
            limit_bytes=most.limit_bytes or options.log_bytes // 2,
            limit_messages=most.limit_messages or entries // 2,
        )
        self._wishes: dict[int, _Wish] = {}

    def admit(self, subscriber: int, slot: int, worker: int) -> None:
        """Somebody has connected."""
        connection = Accepted(subscriber, slot, worker, "ipc:1", "endpoint", "zmtp")
        self._wishes[subscriber] = _Wish(connection, self._base)
        require(not self._choices.admit(connection), "there is nothing to choose for a new one")

    def forget(self, subscriber: int) -> None:
        """It is gone."""
        del self._wishes[subscriber]
        self._choices.forget(subscriber)

    def call(self, subscriber: int, policy: SlowPolicy | None) -> list[SetPolicy]:
        """The publisher's program chooses this for it; returns what its worker is told."""
        wish = self._wishes[subscriber]
        wish.called = policy
        return self._held(wish, self._choices.call(wish.connection, policy), is_its_own=False)

    def chose(self, report: Chose) -> list[SetPolicy]:
        """Its worker has reported what it says of itself; returns what that one is told."""
        wish = self._wishes.get(report.subscriber)
        if wish is None:
            return []
        wish.said = dict(report.settings)
        actions = self._choices.chose(wish.connection, report.name, report.settings)
        return self._held(wish, actions)

    def _held(
        self, wish: _Wish, actions: list[Action], *, is_its_own: bool = True
    ) -> list[SetPolicy]:
        """The orders among these, held against those that there must be."""
        policy, chosen_by = wish.called, "call"
        if policy is None and wish.said:
            policy, chosen_by = chosen_on(self._base, wish.said, self._most), "subscriber"
        elif policy is None:
            policy, chosen_by = self._base, "publisher"
        subscriber = wish.connection.subscriber
        orders = [one.message for one in actions if isinstance(one, Say)]
        order = SetPolicy(subscriber, policy.as_dict(), is_its_own, chosen_by)
        want = [order] if policy != wish.policy else []
        require(orders == want, f"its worker is told {orders}, not {want}")
        wish.policy = policy
        return want
