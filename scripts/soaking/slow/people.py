"""Who subscribes, to what, with which policy, and how it reads; and what it must get. Pure."""

from __future__ import annotations

from dataclasses import dataclass

TOPICS = 50
WATCHED = 10  # topics of one with a watchlist
PAYLOAD_BYTES = 200
NUMBER_BYTES = 8
POLICIES = ("drop_oldest", "drop_newest", "disconnect", "block")
# How one reads. "stops": it reads for a while, and then does not for a while.
STEADY, STALLS, CRAWLS, STOPS = "steady", "stalls", "crawls", "stops"
CRAWL_BYTES = 1_000  # a second


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
        return [f"\0fanout.{one}" for one in said] + ["\0fanout.gap"] * self.gaps

    def wants(self, number: int) -> bool:
        """Whether this message is for it."""
        return self.first < 0 or (number - self.first) % TOPICS < WATCHED

    def next_after(self, number: int) -> int:
        """The next message that it wants."""
        number += 1
        while not self.wants(number):
            number += 1
        return number

    def wanted_between(self, first: int, stop: int) -> int:
        """How many messages from `first` up to, not including, `stop` are for it."""
        if self.first < 0:
            return max(0, stop - first)
        return max(0, self._below(stop) - self._below(first))

    def _below(self, stop: int) -> int:
        rounds, rest = divmod(stop, TOPICS)
        return rounds * WATCHED + sum(map(self.wants, range(rest)))


def people(count: int, slow: int, limit: int) -> list[Person]:
    """So many subscribers of all policies, `slow` of them slow, half of them with a watchlist.

    Who is slow under `block` only stops now and then, or nothing would be published any more. Who
    is slow under `disconnect` is a raw connection: libzmq would come again.
    """
    found = []
    for index in range(count):
        policy = POLICIES[index % len(POLICIES)]
        is_slow = index < slow
        pace = (STALLS, CRAWLS, STOPS)[index // len(POLICIES) % 3] if is_slow else STEADY
        if is_slow and policy == "block":
            pace = STOPS
        stock = index // len(POLICIES) % 2 == 0 and not (is_slow and policy == "disconnect")
        found.append(
            Person(
                name=f"{policy}-{pace}-{index}",
                stock=stock,
                first=-1 if index % 3 == 0 else index % TOPICS,
                policy=policy,
                limit=limit if is_slow and policy != "block" else 0,
                pace=pace,
                gaps=index % 5 != 4,
            )
        )
    return found
