"""What one subscriber misses: whether it may, and whether it is told as it wants to be.

From outside one sees which messages come and which do not. Why one does not is not to be seen, but
what may be the reason: a policy that it has had must allow it, as the documentation says. Of those
that want to be told, each marker must be of what is missing at its place, and in the end they are
told of all of it. Where nothing is conflated, markers and messages follow from each other.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from tests.simulation.catching_up import EXPIRED, OTHER_RUN
from tests.simulation.policies import NONE, Behind, is_over
from tests.simulation.saying import Said, Statement, chosen_on
from tests.simulation.takeovers.holding import Holding
from tests.simulation.telling import ALL, CONFLATED, LOSSES, NOTHING, marker_at
from tests.simulation.violated import require

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from fanout.terms.slow_policy import SlowPolicy
    from tests.simulation.catching_up import CatchingUp, Log
    from tests.simulation.policies import Rules
    from tests.simulation.takeovers.finishing import Finishing
    from tests.simulation.takeovers.holding import Wanted
    from tests.simulation.takeovers.published import Publisher

EPOCH = 1
FIELDS = {"epoch", "first", "last", "count", "reason"}
LOSE_BEHIND = ("conflate", "drop_newest")  # who get something of the midst of what they lose
LAGS = ("lag", "lag_messages", "lag_age", "lag_log")


class House(NamedTuple):
    """What is the same for all subscribers of a publisher.

    Attributes:
        policy: that they have if nothing else is chosen.
        most: that they may choose for themselves.
        rules: what a policy means.
        now: monotonic ns.
        log: how much of that there is.
    """

    publisher: Publisher
    policy: SlowPolicy
    most: SlowPolicy
    rules: Callable[[SlowPolicy], Rules]
    now: Callable[[], int]
    log: Log


class Chosen:
    """Which policies one subscriber has had, and which it must have in the end."""

    def __init__(self, house: House) -> None:
        self.said = Said(may_choose=True, may_block=house.most.action == "block")
        self._house = house
        self._called: SlowPolicy | None = None
        self.known = {house.policy}  # that it may have had
        self.rules = [house.rules(house.policy)]
        self.actions = {house.policy.action}

    @property
    def now(self) -> SlowPolicy:
        """The one that it is to have."""
        if self._called is not None:
            return self._called
        house, settings = self._house, self.said.settings
        return chosen_on(house.policy, settings, house.most) if settings else house.policy

    @property
    def is_exact(self) -> bool:
        """Whether nothing was ever to be lost for it."""
        return self.actions <= {"block", "disconnect"}

    @property
    def interval(self) -> int:
        """In ns, before which it gets a topic no second time, if that was so all the time."""
        return self.rules[0].interval if len(self.rules) == 1 else 0

    def say(self, statement: Statement) -> None:
        """It says something of itself."""
        self.said.hear(statement)
        self._add()

    def call(self, policy: SlowPolicy | None) -> None:
        """The program chooses this for it, or nothing any more."""
        self._called = policy
        self._add()

    def _add(self) -> None:
        now = self.now
        if now not in self.known:
            self.known.add(now)
            self.rules.append(self._house.rules(now))
            self.actions.add(now.action)


class Missing:
    """What it does not get of what it wants.

    Args:
        wanted: which messages it wants, from one up to, not including, another.
        finishing: what it may lose by `drop_newest`.
        catching_up: what it is sent of the time before.

    Attributes:
        level: of what it wants to be told, if that was so from the beginning.
        is_sure: whether it has been so all the time.
        holding: what may go by what it wanted before.
        lost, conflated: messages that it was told of, by what its markers say.
        count: messages that it misses, up to where it stands.
    """

    def __init__(
        self,
        house: House,
        chosen: Chosen,
        wanted: Callable[[int, int], list[int]],
        finishing: Finishing,
        catching_up: CatchingUp | None = None,
    ) -> None:
        self.finishing = finishing
        self.level = NOTHING
        self.is_sure = True
        self.holding = Holding(house.publisher.messages, wanted)
        self._is_promised = False  # what it missed, in a report that waits
        self._let_go_at = 0  # message up to which it has waited for what it was promised
        self._first = math.inf  # message that it gets
        self.lost = self.conflated = self.count = 0
        self._house = house
        self._chosen = chosen
        self._wanted = wanted
        self._catching_up = catching_up

    def hold(self, since: int, before: Collection[bytes]) -> None:
        """See `Holding`."""
        past = self._catching_up
        self._is_promised = self._is_promised or (past is not None and past.until < 0)
        self.holding.hold(since, before)

    def release(self) -> None:
        """See `Holding`."""
        if self._is_promised and self.holding.is_held:
            self._let_go_at, self._is_promised = self._house.publisher.head, False
        self.holding.release()

    @property
    def less(self) -> int:
        """Messages that it wants, and that may not be counted."""
        past, head = self._catching_up, self._let_go_at
        if past is None or not head or (self.level > NOTHING and self.is_sure):
            return self.holding.less
        # It may have been promised less while that waited, and nobody tells it.
        missed = self._wanted(past.first, past.until)
        gone = [one for one in missed if one < self._first and past.is_let_go(one, head)]
        return self.holding.less + len(gone)

    def got(self, number: int, end: int) -> None:
        """It gets this message, which ends there in its stream."""
        self._first = min(self._first, number)
        self.finishing.got(number, end)
        is_jump = self._catching_up is None and self._chosen.actions.isdisjoint(LOSE_BEHIND)
        self.holding.got(number, is_jump=is_jump)

    def is_exact_at(self, number: int) -> bool:
        """Whether what it gets and loses from this message on goes by what it has said."""
        return number >= self.holding.until

    def skip(
        self,
        skipped: Iterable[int],
        before: int,
        *,
        plain: bool,
        end: float = math.inf,
        gets: int = -1,
    ) -> None:
        """It does not get these, since it gets a later one, or is at rest.

        Args:
            before: what it got last, -1 if nothing: it counted as long as it was not whole.
            plain: whether its messages are as they lie in the log.
            end: of what it gets now, in bytes of its stream.
            gets: the message that this is, -1 if it is none.
        """
        finishing, is_begun, is_sure = self.finishing, False, True
        for number in skipped:
            self.count += 1
            is_excused = self._may_miss(number, before, plain=plain)
            if is_excused or self._did_not_fit(number, before, gets, plain=plain):
                finishing.waited(number)
                is_sure = is_sure and is_begun  # it need not have got the last one that fitted
                continue
            is_begun = is_begun or self._may_lose(number, plain=plain)
            why = is_begun and (not is_sure or finishing.may_go_on(number, end))
            require(why, f"it misses {number}: {self._chosen.known}")

    def require_told(self, before: int) -> None:
        """Of all that is missing before this message it was told."""
        if self.level == NOTHING or not self.is_sure or not self.is_exact_at(before):
            return
        told = self.lost + self.conflated + self.less
        untold = self._catching_up.untold if self._catching_up is not None else ""
        require(not untold, f"at {before} it was not told of {untold}")
        if self.level == ALL or "conflate" not in self._chosen.actions:
            require(told >= self.count, f"at {before} it misses {self.count}, told of {told}")

    def take_marker(self, wire: bytes, place: int, got: int) -> int:
        """It gets a marker; returns the message from which on it stands.

        Args:
            place: up to now it stands here.
            got: messages that it has got.
        """
        marker = marker_at(wire)
        require(set(marker) == FIELDS, f"a marker with the fields {sorted(marker)}")
        require(marker["epoch"] == EPOCH, f"a marker of epoch {marker['epoch']}")
        first: int = marker["first"]
        last: int = marker["last"]
        count: int = marker["count"]
        require(not self.is_sure or self.level > NOTHING, f"nobody wants to know: {marker}")
        if marker["reason"] in (EXPIRED, OTHER_RUN):
            require(self._catching_up is not None, f"it has missed nothing: {marker}")
            assert self._catching_up is not None
            self._catching_up.take_marker(marker, got)
            return place
        wanted = self._may_want(first, last + 1)
        right = bool(wanted) and (first, last) == (wanted[0], wanted[-1])
        right = right and 0 < count <= len(wanted)
        require(right, f"{marker}, it wants {wanted[:9]}")
        if marker["reason"] == CONFLATED:
            require(not self.is_sure or self.level == ALL, f"not to be told: {marker}")
            require("conflate" in self._chosen.actions, f"no policy does that: {marker}")
            self.conflated += count
            return place
        require(marker["reason"] in LAGS, f"no reason: {marker}")
        is_exact = self._chosen.is_exact and self._catching_up is None
        require(not is_exact, f"no policy does that: {marker}")
        self.lost += count
        is_exact = self.is_exact_at(place) and self.is_sure
        if "conflate" in self._chosen.actions or not is_exact:
            return place
        missed = self._wanted(place, last + 1)
        require(len(missed) == count, f"{marker}, and it misses {missed[:9]} from {place} on")
        return last + 1

    def require_accounts(self, dropped: int, conflated: int) -> None:
        """In the end: what was counted is what it was told of."""
        if not self.is_sure:
            return
        want = dropped if self.level >= LOSSES else 0, conflated if self.level == ALL else 0
        got = self.lost, self.conflated
        require(got == want, f"it was told of {got} lost and conflated, and it were {want}")

    def may_part(self, place: int) -> bool:
        """Whether it is so far behind, from here on, that it may be closed for that."""
        return any(self._may_part(place, wanted) for wanted in self.holding.views())

    def _may_part(self, place: int, wanted: Wanted) -> bool:
        behind = self._behind(place, wanted)
        catching_up = self._catching_up
        if catching_up is not None and self._wanted(place, catching_up.until):
            of_log = behind._replace(bytes=0, messages=0, age=0)
            if not is_over(of_log, catching_up.kept):
                return False  # it was sent none yet of what it wants by itself
        return any(
            rules.action == "disconnect" and is_over(behind, rules.limits)
            for rules in self._chosen.rules
        )

    def may_come_again(self, before: int) -> bool:
        """Whether a topic may come before its time, after this message: the log is too small."""
        publisher = self._house.publisher
        bytes_behind = publisher.start_of(publisher.head) - publisher.start_of(before)
        return any(
            bytes_behind > rules.kept.log_bytes or publisher.head - before > rules.kept.log_messages
            for rules in self._chosen.rules
        )

    def _may_miss(self, number: int, before: int, *, plain: bool) -> bool:
        """Whether one of its policies may have been the reason."""
        views = self.holding.views()
        return any(self._may_miss_by(number, before, one, plain=plain) for one in views)

    def _did_not_fit(self, number: int, before: int, gets: int, *, plain: bool) -> bool:
        """Whether what it wanted when this came was too much, so that nothing came any more."""
        found = self.holding.too_much_beside(number, before, gets)
        return any(self._may_lose(lost, plain=plain, beside=beside) for lost, beside in found)

    def _may_miss_by(self, number: int, before: int, wanted: Wanted, *, plain: bool) -> bool:
        messages = self._house.publisher.messages
        behind = self._behind(number, wanted)
        if before >= 0:
            size = behind.bytes + len(messages[before].wire)
            behind = behind._replace(bytes=size, messages=behind.messages + 1)
        if not plain:
            behind = behind._replace(bytes=NONE - 1)  # it has other sizes
        of_log = behind._replace(bytes=0, messages=0, age=0)
        catching_up = self._catching_up
        if catching_up is not None and number < catching_up.until:
            return is_over(of_log, catching_up.kept)
        for rules in self._chosen.rules:
            is_bounded = rules.action == "drop_oldest"
            if is_over(behind if is_bounded else of_log, rules.kept):
                return True
            if rules.action == "conflate":
                if not wanted(number, number + 1):
                    return True  # it was conflated by what it wanted before
                topic = messages[number].topic
                newer = wanted(number + 1, len(messages))
                if any(messages[one].topic == topic for one in newer):
                    return True
        return False

    def _may_lose(self, number: int, *, plain: bool, beside: Sequence[int] = ()) -> bool:
        """Whether it may be the first that it loses since it came when it was over its limits."""
        may_begin = self.finishing.may_begin
        return any(
            rules.action == "drop_newest" and may_begin(number, rules, plain=plain, beside=beside)
            for rules in self._chosen.rules
        )

    def _may_want(self, first: int, stop: int) -> list[int]:
        """Of these messages, what it wants, or has wanted when it was held."""
        wanted: set[int] = set()
        for view in self.holding.views():
            wanted.update(view(first, stop))
        return sorted(wanted)

    def _behind(self, number: int, by: Wanted) -> Behind:
        """How far one is behind who was not sent this message, by what it wants."""
        publisher = self._house.publisher
        head = publisher.head
        wanted = by(number, head)
        size = sum(len(publisher.messages[one].wire) for one in wanted)
        age = self._house.now() - publisher.times[wanted[0]] if wanted else 0
        log_bytes = publisher.start_of(head) - publisher.start_of(number)
        return Behind(size, len(wanted), age, log_bytes, head - number)
