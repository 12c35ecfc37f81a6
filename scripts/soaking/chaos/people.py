"""Who subscribes: kinds of subscribers, and what each of them does. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from soaking.chaos.messages import TOPICS, Wants
from soaking.chaos.oracles import Changing, Losing, Marked, Oracle, Whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# How one reads: all that there is, a little now and then, so much a second, or not for a while.
READS, SIPS, CRAWLS, STOPS = "reads", "sips", "crawls", "stops"
# The policy of each is told by the address that it comes from: 127.<10 + place here>.x.y; by that
# of the socket file that it connects to, if it comes by one.
POLICIES = ("block", "drop_oldest", "drop_newest", "conflate", "paced")
NETWORK = 10
IPC_EACH = 4  # of so many one comes by a Unix socket
FEELS = 0.01  # who wants that share of all messages feels it when nothing comes
TINY = 4_096  # bytes of a receive buffer; the system makes more of it
NAME = b"\0fanout.name=%d"
GAP = b"\0fanout.gap"


class Row(Protocol):
    """What the publisher says of one subscriber."""

    @property
    def peer(self) -> str: ...

    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class Person:
    """One subscriber.

    Attributes:
        index: tells it from all others.
        prefixes: that it always wants, as text.
        changing: a prefix that it subscribes to and cancels, again and again; or none.
        receive_buffer: bytes, 0 = as the system likes.
        pings: that may be without an answer at a time.
        cuts: it says everything in pieces, with pauses between them.
        minor: of the ZMTP 3 that it speaks.
        marked: it says its name, and wants to be told of gaps.
        heartbeat: libzmq asks the publisher for a sign of life.
        ipc: it comes by a Unix socket, and says its name, by which it is known then.
    """

    index: int
    kind: str
    policy: str = "block"
    prefixes: tuple[str, ...] = ("",)
    changing: tuple[str, ...] = ()
    stock: bool = False
    pace: str = READS
    receive_buffer: int = 0
    pings: int = 0
    cuts: bool = False
    minor: int = 1
    marked: bool = False
    heartbeat: bool = False
    ipc: bool = False

    @property
    def source(self) -> str:
        """The address that it comes from; nobody else does."""
        network = NETWORK + POLICIES.index(self.policy)
        high, low = divmod(self.index, 250)
        return f"127.{network}.{high}.{low + 1}"

    @property
    def subscriptions(self) -> list[bytes]:
        """What it says that it wants, at first."""
        said = [NAME % self.index] if self.marked or self.ipc else []
        said += [GAP] if self.marked else []
        return said + [prefix.encode() for prefix in self.prefixes]

    @property
    def wants(self) -> Wants:
        """What it always wants."""
        return Wants([prefix.encode() for prefix in self.prefixes])

    @property
    def may_lose(self) -> bool:
        """Whether messages may be missing."""
        return self.policy != "block"

    @property
    def feels(self) -> bool:
        """Whether something comes all the time, so that a pause is one."""
        return not self.stock and self.pace == READS and self.wants.share > FEELS

    def oracle(self, first: int) -> Oracle:
        """What it must get, from this message on; -1 = from any on."""
        if self.changing:
            always, changing = ([one.encode() for one in x] for x in (self.prefixes, self.changing))
            return Changing(always, changing, first)
        if self.marked:
            return Marked(self.wants, first)
        if self.may_lose:
            return Losing(self.wants, first, newest=self.policy == "conflate")
        return Whole(self.wants, first)


def index_of(row: Row) -> int | None:
    """Who that is; None = it has not said its name yet."""
    if row.peer.startswith("ipc:"):
        return int(row.name) if row.name else None
    return source_index(row.peer)


def source_index(peer: str) -> int:
    """Whose address that is; "127.10.0.7:41234" is that of 6."""
    high, low = peer.partition(":")[0].split(".")[2:]
    return int(high) * 250 + int(low) - 1


def _some(rng: random.Random) -> tuple[str, ...]:
    """A few topics, or ten that begin alike, or nothing that there is."""
    names = [topic.decode() for topic in TOPICS]
    return rng.choice(
        [tuple(rng.sample(names, rng.randint(1, 20))), ("T1",), ("T3", "T31", "T4"), ("U",)]
    )


def _one(rng: random.Random) -> tuple[str, ...]:
    return (rng.choice(TOPICS).decode(),)


def _firehose(rng: random.Random, one: Person) -> Person:
    return replace(one, pings=rng.choice((0, 4)))


def _filtered(rng: random.Random, one: Person) -> Person:
    return replace(one, prefixes=_some(rng), pings=4)


def _tiny(rng: random.Random, one: Person) -> Person:
    return replace(one, prefixes=_one(rng), pings=4, receive_buffer=TINY, pace=SIPS)


def _stock(rng: random.Random, one: Person) -> Person:
    prefixes = rng.choice((("",), _some(rng), _some(rng)))
    return replace(one, stock=True, prefixes=prefixes, heartbeat=rng.random() < 0.5)


def _changer(rng: random.Random, one: Person) -> Person:
    # One prefix: several would come into force one by one.
    changing = TOPICS[rng.randrange(len(TOPICS))].decode()[:2]
    names = [topic.decode() for topic in TOPICS if not topic.decode().startswith(changing)]
    return replace(one, prefixes=tuple(rng.sample(names, 8)), changing=(changing,), pings=4)


def _cutter(rng: random.Random, one: Person) -> Person:
    return replace(_changer(rng, one), cuts=True)


def _talker(rng: random.Random, one: Person) -> Person:
    return replace(one, prefixes=_some(rng), pings=60)


def _older(rng: random.Random, one: Person) -> Person:
    return replace(one, prefixes=_some(rng), minor=0)


def _slow(rng: random.Random, one: Person) -> Person:
    prefixes = rng.choice((("",), ("T1", "T2"), _some(rng)))
    return replace(one, prefixes=prefixes, pace=rng.choice((CRAWLS, STOPS)), receive_buffer=TINY)


def _oldest(rng: random.Random, one: Person) -> Person:
    return replace(_slow(rng, one), policy="drop_oldest", stock=rng.random() < 0.3)


def _newest(rng: random.Random, one: Person) -> Person:
    return replace(_slow(rng, one), policy="drop_newest")


def _conflating(rng: random.Random, one: Person) -> Person:
    return replace(_slow(rng, one), policy="conflate")


def _paced(rng: random.Random, one: Person) -> Person:
    return replace(one, policy="paced", prefixes=_some(rng), pings=4)


def _marked(rng: random.Random, one: Person) -> Person:
    return replace(_slow(rng, one), policy="drop_oldest", marked=True)


@dataclass(frozen=True)
class Kind:
    """One kind of subscriber: how many in a hundred there are, and what it is."""

    share: int
    summary: str
    make: Callable[[random.Random, Person], Person]


KINDS = {
    "firehose": Kind(8, "raw, everything; some ask for signs of life", _firehose),
    "filtered": Kind(22, "raw, some topics or none that there is; PINGs", _filtered),
    "tiny": Kind(10, "raw, a receive buffer of 4 KiB that is read in sips; PINGs", _tiny),
    "stock": Kind(18, "SUB sockets of libzmq, everything or some topics", _stock),
    "changer": Kind(8, "raw, subscribes and cancels all the time; PINGs", _changer),
    "cutter": Kind(6, "the same, and says everything in pieces, cut anywhere", _cutter),
    "talker": Kind(4, "raw, up to 60 PINGs without an answer", _talker),
    "older": Kind(4, "raw, speaks ZMTP 3.0", _older),
    "oldest": Kind(6, "slow, drop_oldest; some are SUB sockets", _oldest),
    "newest": Kind(4, "slow, drop_newest", _newest),
    "conflating": Kind(4, "slow, conflate", _conflating),
    "paced": Kind(3, "drop_oldest with a max_rate", _paced),
    "marked": Kind(3, "slow, drop_oldest, with a name, and told of gaps", _marked),
}


def people(count: int, kinds: Sequence[str], seed: int) -> list[Person]:
    """So many subscribers of these kinds, in the proportions that they have."""
    rng = random.Random(seed)
    shares = [KINDS[kind].share for kind in kinds]
    chosen = [*kinds, *rng.choices(kinds, shares, k=count)][:count]
    made = [KINDS[kind].make(rng, Person(index, kind)) for index, kind in enumerate(chosen)]
    beyond = len(kinds)  # of each kind there is one by TCP
    return [replace(one, ipc=one.index >= beyond and one.index % IPC_EACH == 0) for one in made]
