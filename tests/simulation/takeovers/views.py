"""Which checker notices a mistake while the others look away: the payload, the law, or the ends.

What one of them notices first hides what the others would. Each view is all of the simulation with
one of these left in it:

- payload: each byte that a subscriber reads, and what never comes.
- law: something has become of all that has matched; by figures alone, nobody looks at a byte.
- ends: nobody is closed but for a reason that has been.

A worker that fails by an error of its own, or a run that never ends, is none of these.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest import mock

from fanout.shm.subscriber_slot import SubscriberSlot
from tests.simulation.takeovers import ends, hearing, settling
from tests.simulation.takeovers.shown import ShownSubscriber
from tests.simulation.takeovers.subscriber import Subscriber
from tests.simulation.takeovers.world import TakeoverWorld
from tests.simulation.violated import StuckError, Violated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanout.control.messages import Closed
    from tests.simulation.takeovers.society import Society


def _nothing(*_what: Any, **_more: Any) -> None:
    """Nobody looks."""


def _allowed(*_what: Any, **_more: Any) -> bool:
    return True


class _Blind:
    """Sees nothing of a run; what each view sees more is on top of this.

    Attributes:
        noticed: what is wrong, for people.
    """

    def __init__(self) -> None:
        self.noticed: list[str] = []
        self.read: Any = _count
        self.lacks: Any = lambda *_: ""
        self.may_end: Any = _allowed
        self.final: Any = _nothing
        self.accounts: Any = _nothing

    @contextmanager
    def looks(self) -> Iterator[None]:
        """Only this looks meanwhile."""
        with ExitStack() as patched:
            for owner, name, sight in (
                (Subscriber, "read", self.read),
                (Subscriber, "lacks", self.lacks),
                (ShownSubscriber, "lacks", self.lacks),
                (hearing, "may_end", self.may_end),
                (hearing, "require_final", self.final),
                (hearing.Hearing, "_require_counted", _nothing),
                (settling, "require_accounts", self.accounts),
            ):
                if sight is not None:
                    patched.enter_context(mock.patch.object(owner, name, sight))
            yield

    def is_stuck(self, world: TakeoverWorld) -> None:
        """Something is left for ever."""


def _count(subscriber: Subscriber, most: int) -> int:
    """It reads, and does not look at it."""
    count = len(subscriber.connection.read(most))
    subscriber.read_bytes += count
    return count


class _Payload(_Blind):
    def __init__(self) -> None:
        super().__init__()
        self.lacks = None
        original = Subscriber.read

        def read(subscriber: Subscriber, most: int) -> int:
            try:
                return original(subscriber, most)
            except Violated as error:
                self.noticed.append(str(error))
                raise

        self.read = read
        self.accounts = self._end

    def _end(self, world: Society) -> None:
        for one in world.subscribers.values():
            try:
                one.end(world.publisher.head)
            except Violated as error:
                self.noticed.append(str(error))

    def is_stuck(self, world: TakeoverWorld) -> None:
        lacked = [one.lacks(world.publisher.head) for one in world.subscribers.values()]
        self.noticed += [one for one in lacked if one]


class _Law(_Blind):
    def __init__(self) -> None:
        super().__init__()
        self.final = self._closed
        self.accounts = self._at_rest

    def _hold(self, matched: int, *parts: int) -> None:
        if matched != sum(parts):
            self.noticed.append(f"{matched} matched, {parts} are told")

    def _closed(self, _one: Subscriber, closed: Closed) -> None:
        lost = closed.dropped, closed.conflated, closed.discarded
        self._hold(closed.matched, closed.sent, *lost)

    def _at_rest(self, world: Society) -> None:
        for connection in world.coordinator.state.roster.connections.values():
            last = SubscriberSlot(world.segment, connection.slot).read(connection.subscriber)
            self._hold(last.matched, last.sent, last.dropped, last.conflated)


class _Ends(_Blind):
    def __init__(self) -> None:
        super().__init__()
        self.may_end = partial(self._may_end, ends.may_end)

    def _may_end(self, original: Any, subscriber: Subscriber, closed: Closed, **more: Any) -> bool:
        if not original(subscriber, closed, **more):
            self.noticed.append(closed.reason)
        return True


VIEWS: dict[str, type[_Blind]] = {"payload": _Payload, "law": _Law, "ends": _Ends}


def noticed_by(view: str, seed: int) -> list[str]:
    """What this view alone says is wrong in a run, for people; nothing if it sees nothing."""
    seen = VIEWS[view]()
    with seen.looks():
        world = TakeoverWorld(seed)
        try:
            world.run()
        except StuckError:
            seen.is_stuck(world)
        except Violated:
            pass  # what the view has seen of that, it has noted
    return seen.noticed
