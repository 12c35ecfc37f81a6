"""The columns of the table of subscribers: how each is shown, and by what it sorts. Pure.

Sorting looks at all subscribers, so it takes a column of the survey; showing looks at the few that
are on the screen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from fanout.cli.units import printable, short_count, short_size, short_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fanout.cli.top.figures import SubscriberFigures
    from fanout.observe.survey import Survey
    from fanout.terms.slow_policy import SlowPolicy

SortBy: TypeAlias = "Callable[[Survey], Sequence[Any]]"

C = TypeVar("C", bound="AnyColumn")

NOTHING = "-"  # what nobody can say
NEWEST = 1 << 64  # above every sequence and every time


class AnyColumn(Protocol):
    """A column of whatever table."""

    @property
    def name(self) -> str: ...
    @property
    def width_max(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: for `--sort`.
        title: at its head; the letter `key`, a capital, stands out in it.
        key: that sorts by it.
        show: its cell, printable.
        sort_by: what it sorts by, for each subscriber of a survey; smaller ones first.
        is_text: it stands on the left and sorts upwards at first; numbers: the largest first.
        width_max: cells that it takes at most; None = as many as it needs.
    """

    name: str
    title: str
    key: str
    show: Callable[[SubscriberFigures], str]
    sort_by: SortBy
    is_text: bool = False
    width_max: int | None = None


def count_or_nothing(value: float | None) -> str:
    """A count in a few characters."""
    return NOTHING if value is None else short_count(value)


def size_or_nothing(value: float | None) -> str:
    """A number of bytes in a few characters."""
    return NOTHING if value is None else short_size(value)


def time_or_nothing(value: float | None) -> str:
    """A length of time; nothing for none at all."""
    return short_time(value) if value else NOTHING


def policy_cell(policy: SlowPolicy) -> str:
    """A policy in a few words: its action and those of its limits that there are."""
    parts = [policy.action.removeprefix("drop_")]
    if policy.min_interval:
        parts.append(f"{policy.min_interval:g}s")
    if policy.limit_messages:
        parts.append(f"{policy.limit_messages} msg")
    if policy.limit_bytes:
        parts.append(short_size(policy.limit_bytes))
    if policy.limit_age:
        parts.append(f"{policy.limit_age:g}s old")
    if policy.max_rate:
        parts.append(f"{short_size(policy.max_rate)}/s")
    return " ".join(parts)


def _text(field: str) -> SortBy:
    def texts(survey: Survey) -> list[str]:
        return [getattr(one, field) if one else "" for one in survey.identities()]

    return texts


def _word(field: str) -> SortBy:
    return lambda survey: survey.column(field)


def _age(survey: Survey) -> list[int]:
    """The older the message that waits, the larger."""
    pairs = zip(survey.column("oldest"), survey.queued(), strict=True)
    return [NEWEST - oldest if queued else 0 for oldest, queued in pairs]


def _blocked(survey: Survey) -> list[int]:
    """The longer its socket is full, the larger."""
    return [NEWEST - since if since else 0 for since in survey.column("blocked_since")]


def _full_for(it: SubscriberFigures) -> str:
    """How long its socket has been full; and whether the publisher waits for it."""
    return time_or_nothing(it.statistics.blocked_s) + ", held" * it.statistics.holds


COLUMNS = (
    Column("id", "Id", "I", lambda it: str(it.statistics.id), lambda s: s.ids, is_text=True),
    Column(
        *("name", "Name", "N", lambda it: printable(it.statistics.name) or NOTHING),
        _text("name"),
        is_text=True,
        width_max=24,
    ),
    Column(
        *("user", "User", "U", lambda it: printable(it.statistics.user) or NOTHING),
        _text("user"),
        is_text=True,
        width_max=24,
    ),
    Column(
        *("peer", "Address", "A", lambda it: printable(it.statistics.peer), _text("peer")),
        is_text=True,
        width_max=32,
    ),
    Column(
        *("worker", "Worker", "W", lambda it: str(it.statistics.worker)),
        lambda survey: survey.workers(),
        is_text=True,
    ),
    Column(
        *("subscriptions", "Topics", "T", lambda it: short_count(it.statistics.subscriptions)),
        lambda survey: survey.subscriptions(),
    ),
    Column("rate", "Rate", "R", lambda it: short_count(it.statistics.rate), _word("rate")),
    Column(
        *("rate_bytes", "Bytes/s", "B", lambda it: short_size(it.statistics.rate_bytes)),
        _word("rate_bytes"),
    ),
    Column(
        *("queued", "Queued", "Q", lambda it: short_count(it.statistics.queued)),
        lambda survey: survey.queued(),
    ),
    Column(
        *("queued_bytes", "Size", "S", lambda it: short_size(it.statistics.queued_bytes)),
        lambda survey: survey.queued_bytes(),
    ),
    Column("age", "Oldest", "O", lambda it: time_or_nothing(it.statistics.age_s), _age),
    Column(
        *("kernel_bytes", "Kernel", "K", lambda it: short_size(it.statistics.kernel_bytes)),
        _word("kernel_bytes"),
    ),
    Column("lost", "Lost", "L", lambda it: short_count(it.statistics.dropped), _word("dropped")),
    Column(
        *("policy", "Policy", "P", lambda it: policy_cell(it.statistics.policy), _text("policy")),
        is_text=True,
        width_max=32,
    ),
    Column("blocked", "Full for", "F", _full_for, _blocked),
)

BY_NAME = {column.name: column for column in COLUMNS}
BY_KEY = {column.key: column for column in COLUMNS}
DEFAULT_SORT = "queued"

# Which columns a narrow window goes without, the first ones first.
DROPPED_FIRST = (
    *("worker", "subscriptions", "kernel_bytes", "policy", "rate_bytes", "name", "user", "age"),
    *("lost", "queued_bytes", "blocked", "rate", "queued"),
)


def fitting(widths: Mapping[str, int], width: int, sort: Column, gap: int = 2) -> list[Column]:
    """The columns that have room beside one another; the one that it sorts by is among them.

    Args:
        widths: cells that each takes, by name.
        width: cells that there are.
        gap: cells between two.
    """
    return narrowed(COLUMNS, DROPPED_FIRST, widths, width, gap, kept=sort.name)


def narrowed(
    columns: Sequence[C],
    dropped_first: Sequence[str],
    widths: Mapping[str, int],
    width: int,
    gap: int,
    kept: str = "",
) -> list[C]:
    """The same of any columns.

    Args:
        dropped_first: names of those that it does without, the first ones first.
        kept: the name of one that it does not do without.
    """
    shown = list(columns)
    for name in dropped_first:
        if sum(widths[column.name] + gap for column in shown) - gap <= width:
            break
        if name != kept:
            shown = [column for column in shown if column.name != name]
    return shown


def cut(column: AnyColumn, cell: str) -> str:
    """A cell that takes no more than its column may."""
    limit = column.width_max
    return cell if limit is None or len(cell) <= limit else cell[: limit - 1] + "…"
