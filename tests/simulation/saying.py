"""What subscribers say of themselves by reserved subscriptions, and what that means.

The meaning is written down as a table, from what the documentation says of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fanout.terms.slow_policy import SlowPolicy
from tests.simulation.telling import ALL, LOSSES, NOTHING
from tests.simulation.violated import Violated, require

if TYPE_CHECKING:
    from random import Random

MARK = b"\0fanout."
SINCE = b"since="  # of these all that are said here mean something
TOLD_MAX = 8  # things of which one is told that it cannot have them
KEPT_MAX = 32  # that it may say, and not take back

# (key, value), or None if it means nothing.
MEANINGS: dict[bytes, tuple[str, Any] | None] = {
    b"policy=drop_oldest": ("action", "drop_oldest"),
    b"policy=drop_newest": ("action", "drop_newest"),
    b"policy=conflate": ("action", "conflate"),
    b"policy=disconnect": ("action", "disconnect"),
    b"policy=block": ("action", "block"),
    b"limit_bytes=0": ("limit_bytes", 0),
    b"limit_bytes=30": ("limit_bytes", 30),
    b"limit_bytes=3000": ("limit_bytes", 3_000),
    b"limit_bytes=200000000000000": ("limit_bytes", 200_000_000_000_000),
    b"limit_messages=1": ("limit_messages", 1),
    b"limit_messages=3": ("limit_messages", 3),
    b"limit_messages=40": ("limit_messages", 40),
    b"limit_age=0": ("limit_age", 0.0),
    b"limit_age=0.2": ("limit_age", 0.2),
    b"limit_age=3": ("limit_age", 3.0),
    b"min_interval=0": ("min_interval", 0.0),
    b"min_interval=0.3": ("min_interval", 0.3),
    b"max_rate=20000": ("max_rate", 20_000),
    b"max_rate=1000000": ("max_rate", 1_000_000),
    b"name=desk7": ("name", "desk7"),
    b"name=B\xc3\xbcro 1": ("name", "B\u00fcro 1"),
    b"gap": ("gap", LOSSES),
    b"gap=all": ("gap=all", ALL),
    b"policy": None,
    b"policy=fastest": None,
    b"limit_bytes=1e9": None,
    b"limit_bytes=300000000000000": None,  # more than there can be
    b"limit_messages=-1": None,
    b"limit_age=": None,
    b"min_interval=90000": None,  # more than a day
    b"max_rate=64K": None,
    b"name=": None,
    b"name=\xff": None,
    b"name=" + b"x" * 65: None,
    b"gap=some": None,
    b"": None,
}
_GAPS = (b"gap", b"gap=all")
_OTHERS = ("name", "gap", "gap=all")  # are no fields of a policy
_NONSENSE = tuple(b"no%d" % number for number in range(40))
_ANY = tuple(MEANINGS)
_KINDS = 7  # statements are about one of so many things, often enough about gaps


class Statement(NamedTuple):
    """A reserved subscription, or the end of it."""

    wanted: bool
    text: bytes  # behind the mark of all reserved ones


def random_wish(rng: Random) -> Statement:
    """What one says at once that wants to be told of gaps."""
    return Statement(wanted=True, text=rng.choice(_GAPS))


def random_statements(rng: Random) -> list[Statement]:
    """What a subscriber may say of itself at once."""
    kind = rng.randrange(_KINDS)
    if kind == 0:
        return [Statement(wanted=False, text=text) for text in rng.sample(_ANY, 12)]
    if kind == 1 and rng.random() < 0.1:
        return [Statement(wanted=True, text=text) for text in _NONSENSE]
    if kind < 4:
        return [Statement(wanted=rng.random() < 0.8, text=rng.choice(_GAPS))]
    texts = rng.sample(_ANY, rng.choice((1, 1, 2, 4)))
    return [Statement(wanted=True, text=text) for text in texts]


class Said:
    """What one subscriber says of itself, all in all.

    Args:
        may_choose: whether it may say more than what it wants to be told.
        may_block: whether it may choose `block`.

    Attributes:
        to_be_told: of how many things it is to be told that it cannot have them.
    """

    def __init__(self, *, may_choose: bool, may_block: bool) -> None:
        self.to_be_told = 0
        self._may_choose = may_choose
        self._may_block = may_block
        self._said: list[bytes] = []  # and not taken back
        self._told = 0
        self._meaning: dict[str, Any] | None = None  # of all that is said; None = to be found

    def hear(self, statement: Statement) -> None:
        """It says one thing more."""
        text = statement.text
        is_told = text in self._said and not self._counts(text)  # and has not taken it back
        self._meaning = None
        self._said = [one for one in self._said if one != text]
        if not statement.wanted:
            return
        if len(self._said) == KEPT_MAX:
            self._decline()
            return
        self._said.append(text)
        if is_told:
            return
        if not self._may_choose and MEANINGS.get(text) is not None and text not in _GAPS:
            self._decline()
            self._told = TOLD_MAX  # told once is enough
        elif not self._counts(text):
            self._decline()

    @property
    def texts(self) -> tuple[bytes, ...]:
        """All that it has said and not taken back, whatever it means."""
        return (*self._said,)

    @property
    def settings(self) -> dict[str, Any]:
        """Fields of a policy that it wants."""
        keys = self._meant
        return {key: keys[key] for key in keys if key not in _OTHERS} if keys else {}

    @property
    def name(self) -> str:
        """What it is called."""
        name: str = self._meant.get("name", "")
        return name

    @property
    def level(self) -> int:
        """Of what it wants to be told."""
        keys = self._meant
        level: int = max(keys.get("gap", NOTHING), keys.get("gap=all", NOTHING))
        return level

    @property
    def _meant(self) -> dict[str, Any]:
        if self._meaning is None:
            meanings = [MEANINGS.get(text) for text in self._said if self._counts(text)]
            self._meaning = dict(filter(None, meanings))
        return self._meaning

    def _counts(self, text: bytes) -> bool:
        if text.startswith(SINCE):
            return True
        meaning = MEANINGS.get(text)
        if meaning is None or (meaning == ("action", "block") and not self._may_block):
            return False
        return self._may_choose or text in _GAPS

    def _decline(self) -> None:
        if self._told < TOLD_MAX:
            self._told += 1
            self.to_be_told += 1


def chosen_on(base: SlowPolicy, settings: dict[str, Any], most: SlowPolicy) -> SlowPolicy:
    """The policy of one who says this, and would have `base` else; no more than `most` allows."""
    fields = {
        key: settings.get(key, getattr(base, key))
        for key in ("action", "min_interval", "limit_bytes", "limit_messages", "limit_age")
    }
    fields["max_rate"] = settings.get("max_rate", base.max_rate)
    for key in ("limit_bytes", "limit_messages", "limit_age", "max_rate"):
        bound = getattr(most, key)
        if key in settings and bound and (fields[key] == 0 or fields[key] > bound):
            fields[key] = bound
    if {"action", "min_interval"} & settings.keys():
        fields["min_interval"] = max(fields["min_interval"], most.min_interval)
    if fields["action"] != "conflate":
        fields["min_interval"] = 0.0
    return SlowPolicy(soft=base.soft, **fields)


class Reports:
    """What a worker has reported of what one subscriber says, beside what it says.

    Attributes:
        said: as far as its bytes were read.
    """

    def __init__(self, said: Said) -> None:
        self.said = said
        self._coming: list[tuple[int, Statement]] = []  # each with where it ends among its bytes
        self._reported: tuple[str, dict[str, Any]] = ("", {})
        self._declined = 0

    def expect(self, end: int, statement: Statement) -> None:
        """It is said when `end` bytes of what the peer sends were read."""
        self._coming.append((end, statement))

    def hear(self, read: int) -> None:
        """So many bytes were read."""
        while self._coming and self._coming[0][0] <= read:
            self.said.hear(self._coming.pop(0)[1])

    def chose(self, name: str, settings: dict[str, Any]) -> None:
        """The worker reports this."""
        want = self.said.name, self.said.settings
        require((name, settings) == want, f"reported as {name!r} with {settings}, it said {want}")
        require((name, settings) != self._reported, f"reported once more: {name!r}, {settings}")
        self._reported = name, settings

    def declined(self) -> None:
        """The worker reports that there is something that it cannot have."""
        self._declined += 1
        few = self._declined <= self.said.to_be_told
        require(few, f"declined {self._declined} things of {self.said.to_be_told}")

    def require_all(self) -> None:
        """Between turns: what was read was reported."""
        want = self.said.name, self.said.settings
        if self._reported != want:
            raise Violated(f"it said {want}, and {self._reported} was reported")
        want_told = self.said.to_be_told
        if self._declined != want_told:
            raise Violated(f"{self._declined} declined, not {want_told}")
