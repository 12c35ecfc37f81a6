"""Who subscribes, to what, with which policy, and how it reads; and what it must get. Pure."""

from __future__ import annotations

from dataclasses import dataclass

TOPICS = 50
WATCHED = 10  # topics of one with a watchlist
PAYLOAD_BYTES = 200
NUMBER_BYTES = 8
POLICIES = ("drop_oldest", "drop_newest", "disconnect", "block", "conflate")
# How one reads. "stops": it reads for a while, and then does not for a while. "paced", "rests": it
# would read all, and has asked for no more than so much a second, or for none of a topic so soon.
STEADY, STALLS, CRAWLS, STOPS = "steady", "stalls", "crawls", "stops"
PACED, RESTS = "paced", "rests"
READ_ALL = (STEADY, PACED, RESTS)
# What its limit is of. With "" the log alone is its limit.
BYTES, MESSAGES, AGE = "bytes", "messages", "age"
# Of each four of a policy; so of the first four, who are slow, two stall, by bytes and by age.
KINDS = (BYTES, MESSAGES, BYTES, AGE)
AGE_S = 1.0
CRAWL_BYTES = 1_000  # a second
PACED_BYTES = 20_000  # a second
REST_S = 0.25


def topic_of(number: int) -> bytes:
    """The topic of the message with this number, which is its sequence number."""
    return b"T%02d" % (number % TOPICS)


def frames_of(number: int) -> tuple[bytes, bytes]:
    """Topic and payload of a message."""
    payload = number.to_bytes(NUMBER_BYTES, "big")
    return topic_of(number), payload.ljust(PAYLOAD_BYTES, b".")


MESSAGE_BYTES = sum(2 + len(frame) for frame in frames_of(0))  # two short frames of ZMTP


@dataclass(frozen=True)
class Person:
    """One subscriber.

    Attributes:
        name: what it calls itself, another one each.
        stock: it is a SUB socket of libzmq; else a raw connection.
        first: of the topics that it wants; -1 = it wants everything.
        policy: its action.
        limit: bytes, or as many messages as these are; 0 = the log alone is its limit.
        pace: how it reads.
        gaps: it wants markers.
        kind: what its limit is of; "" = it has none.
    """

    name: str
    stock: bool
    first: int
    policy: str
    limit: int
    pace: str
    gaps: bool
    kind: str = ""

    @property
    def limit_bytes(self) -> int:
        """Bytes that may wait for it, 0 = as many as the log allows."""
        return self.limit if self.kind == BYTES else 0

    @property
    def limit_messages(self) -> int:
        """Messages that may wait for it."""
        return self.limit_count if self.kind == MESSAGES else 0

    @property
    def limit_age(self) -> float:
        """Seconds that a message may wait for it."""
        return AGE_S if self.kind == AGE else 0.0

    @property
    def limit_count(self) -> int:
        """Messages that its limit in bytes or messages has room for."""
        return self.limit // MESSAGE_BYTES

    def kept_count(self, share: float) -> int:
        """Messages that such a share of it has room for."""
        if self.kind == MESSAGES:
            return max(1, int(self.limit_messages * share))
        return int(self.limit * share) // MESSAGE_BYTES

    @property
    def loses_by(self) -> str:
        """The reason by which it loses what it loses."""
        reasons = {BYTES: "lag", MESSAGES: "lag_messages", AGE: "lag_age"}
        return "conflated" if self.policy == "conflate" else reasons.get(self.kind, "none")

    @property
    def loses_what_waits(self) -> bool:
        """Whether what waits for it may be lost; else only what comes then."""
        return self.policy in ("drop_oldest", "conflate", "disconnect")

    @property
    def max_rate(self) -> int:
        """Bytes a second that it wants at most, 0 = all that it takes."""
        return PACED_BYTES if self.pace == PACED else 0

    @property
    def min_interval(self) -> float:
        """Seconds between two messages of a topic."""
        return REST_S if self.pace == RESTS else 0.0

    @property
    def may_lack(self) -> bool:
        """Whether there may be messages that it wanted and has not got."""
        return self.policy == "conflate" or (
            self.pace != STEADY and self.policy not in ("block", "disconnect")
        )

    @property
    def topics(self) -> list[str]:
        """What it subscribes to."""
        if self.first < 0:
            return [""]
        return [topic_of(self.first + place).decode() for place in range(WATCHED)]

    @property
    def choices(self) -> list[str]:
        """What it says of itself, by reserved subscriptions."""
        said = [f"name={self.name}", f"policy={self.policy}"]
        said += [f"limit_bytes={self.limit_bytes}"] if self.limit_bytes else []
        said += [f"limit_messages={self.limit_messages}"] if self.limit_messages else []
        said += [f"limit_age={self.limit_age}"] if self.limit_age else []
        said += [f"max_rate={self.max_rate}"] if self.max_rate else []
        said += [f"min_interval={self.min_interval}"] if self.min_interval else []
        said += ["gap"] * self.gaps
        said += ["gap=all"] * (self.gaps and self.policy == "conflate")
        return [f"\0fanout.{one}" for one in said]

    def wants(self, number: int) -> bool:
        """Whether this message is for it."""
        return self.first < 0 or (number - self.first) % TOPICS < WATCHED

    @property
    def keeps_up(self) -> bool:
        """Whether it is healthy, and must get everything."""
        return self.pace == STEADY and not self.may_lack

    def behind(self, published: int, sent: int) -> int:
        """How many messages of all that were published it has not been sent, or about as many."""
        left = self.wanted_between(0, published) - sent
        return left if self.first < 0 else left * TOPICS // WATCHED

    def next_after(self, number: int) -> int:
        """The next message that it wants."""
        number += 1
        if self.first < 0:
            return number
        place = (number - self.first) % TOPICS
        return number if place < WATCHED else number + TOPICS - place

    def wanted_after(self, first: int, count: int) -> int:
        """Of those that it wants from `first` on, the one that has so many before it."""
        if self.first < 0:
            return first + count
        rounds, rest = divmod(count, WATCHED)
        number = self.next_after(first + rounds * TOPICS - 1)
        for _ in range(rest):
            number = self.next_after(number)
        return number

    def wanted_before(self, stop: int, count: int) -> int:
        """Of those that it wants before `stop`, the one that is so many before it."""
        return self.wanted_after(0, self.wanted_between(0, stop) - count)

    def wanted_between(self, first: int, stop: int) -> int:
        """How many messages from `first` up to, not including, `stop` are for it."""
        if self.first < 0:
            return max(0, stop - first)
        return max(0, self._below(stop) - self._below(first))

    def _below(self, stop: int) -> int:
        rounds, rest = divmod(stop, TOPICS)
        return rounds * WATCHED + sum(map(self.wants, range(rest)))


def people(count: int, slow: int, limit: int) -> list[Person]:
    """So many subscribers of all policies, most of them with a watchlist.

    The first `slow` are slow, and as many after them would be slower than they are, if what they
    have asked for were not heeded. Who is slow under `block` only stops now and then, or nothing
    would be published any more. Who is slow under `disconnect` is a raw connection: libzmq would
    come again.
    """
    found = []
    for index in range(count):
        policy = POLICIES[index % len(POLICIES)]
        is_slow = index < slow
        pace = (STALLS, CRAWLS, STOPS)[index // len(POLICIES) % 3] if is_slow else STEADY
        if is_slow and policy == "block":
            pace = STOPS
        if slow <= index < 2 * slow:
            pace = _asked_for(policy, index // len(POLICIES))
        has_limit = pace != STEADY and policy not in ("block", "conflate")
        stock = index // len(POLICIES) % 2 == 0 and not (is_slow and policy == "disconnect")
        found.append(
            Person(
                name=f"{policy}-{pace}-{index}",
                stock=stock,
                first=-1 if index % 3 == 0 else index % TOPICS,
                policy=policy,
                limit=limit if has_limit else 0,
                pace=pace,
                gaps=index // len(POLICIES) % 5 != 4,
                kind=_kind(policy, pace, index // len(POLICIES)) if has_limit else "",
            )
        )
    return found


def _kind(policy: str, pace: str, number: int) -> str:
    """What the limit of one that has a limit is of.

    A second at full rate takes a minute at 20 KB/s, and `drop_newest` sends all of it.
    """
    kind = KINDS[number % len(KINDS)]
    return BYTES if (policy, pace, kind) == ("drop_newest", PACED, AGE) else kind


def _asked_for(policy: str, number: int) -> str:
    """What one asks for that would read all: nothing, if it may not lose any, or ends by that."""
    if policy == "conflate" and number % 2:
        return RESTS
    return STEADY if policy in ("block", "disconnect") else PACED
