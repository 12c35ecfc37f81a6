"""The attacks, as data: who comes, what is published meanwhile, and how the publisher is set up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from soaking.feeds import Feed

MIB = 1 << 20


@dataclass(frozen=True)
class Attack:
    """One bad day."""

    name: str
    summary: str
    crowd: str = ""  # a name in `crowds.CROWDS`; "" = nobody comes
    count: int = 0
    feeds: tuple[Feed, ...] = ()  # besides that of the healthy audience
    options: dict[str, Any] = field(default_factory=dict)  # of the publisher: all else is default
    descriptors: int = 0  # its soft limit of open files; 0 = the hard one
    from_outside: bool = False  # from an address that is not the loopback's, where that can be had


_TOPICS = Feed(5_000, "T%d", topics=5_000, payload_bytes=200)

_ALL = (
    Attack("none", "nobody attacks"),
    Attack(
        "none-busy", "nobody attacks, and as much is published as in most attacks", feeds=(_TOPICS,)
    ),
    Attack("sleepers", "5,000 subscribe T and Z<i> and never read", "Sleepers", 5_000, (_TOPICS,)),
    Attack(
        "returners", "2,000 of them, who come again when closed", "Returners", 2_000, (_TOPICS,)
    ),
    Attack(
        "readers",
        "4,000 that read a shared feed and an inbox each",
        "Readers",
        4_000,
        (Feed(500, "T%d", 5_000, 200), Feed(2_000, "Z%d", 4_000, 200)),
    ),
    Attack(
        "lengths",
        "42 with prefixes of 4,000 lengths in all; one-frame messages of 4,000 B",
        "Lengths",
        42,
        (Feed(4_000, "P%d/", 1_000_000, 4_000, one_frame=True),),
    ),
    Attack("churn", "one subscribes and cancels; 20 hold 255 lengths", "Churner", 21, (_TOPICS,)),
    Attack("chatter", "20 send PINGs or 2-byte frames", "Chatterers", 20, (_TOPICS,)),
    Attack("hoarders", "30 with 10,000 short prefixes each", "Hoarders", 30, (_TOPICS,)),
    Attack(
        "sippers",
        "200 read a little of messages of 4 MiB",
        "Sippers",
        200,
        (Feed(5, "F", payload_bytes=4 * MIB),),
    ),
    Attack(
        "descriptors",
        "1,500 come at a soft limit of 1,024 open files",
        "Returners",
        1_500,
        (_TOPICS,),
        descriptors=1_024,
    ),
    Attack(
        "halfway",
        "6,000 half-open connections and garbage, from one address",
        "Halfway",
        6_000,
        (_TOPICS,),
        from_outside=True,
    ),
)

ATTACKS = {attack.name: attack for attack in _ALL}
