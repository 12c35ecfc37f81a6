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
        limit: bytes, 0 = the log alone is its limit.
        pace: how it reads.
        gaps: it wants markers.
    """

    name: str
    stock: bool
    first: int
    policy: str
    limit: int
    pace: str
    gaps: bool

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
        said += [f"limit_bytes={self.limit}"] if self.limit else []
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
        stock = index // len(POLICIES) % 2 == 0 and not (is_slow and policy == "disconnect")
        found.append(
            Person(
                name=f"{policy}-{pace}-{index}",
                stock=stock,
                first=-1 if index % 3 == 0 else index % TOPICS,
                policy=policy,
                limit=limit if pace != STEADY and policy not in ("block", "conflate") else 0,
                pace=pace,
                gaps=index % 5 != 4,
            )
        )
    return found


def _asked_for(policy: str, number: int) -> str:
    """What one asks for that would read all: nothing, if it may not lose any, or ends by that."""
    if policy == "conflate" and number % 2:
        return RESTS
    return STEADY if policy in ("block", "disconnect") else PACED
