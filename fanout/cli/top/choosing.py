"""Which publisher is meant: the only one, that of a process id or a name, or one of a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from fanout.cli.arguments import UsageError
from fanout.cli.units import plural, printable
from fanout.errors import ClosedError, FanoutError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from fanout.observe.publishers import FoundPublisher

LISTED_MAX = 20  # publishers that are listed; whoever has more of them names one


class NoPublisher(FanoutError):
    """There is none, or none that can be read."""


def candidates(
    found: Sequence[FoundPublisher], pid: int | None, name: str | None
) -> list[FoundPublisher]:
    """Those that fit, and can be read; at least one.

    Args:
        found: all there are.
        pid: of a publisher, or of one of its workers; None = any.
        name: of a publisher; None = any.

    Raises:
        NoPublisher: none fits, or it cannot be read.
    """
    fitting = [one for one in found if pid is None or pid in one.pids]
    if name is not None:
        fitting = [one for one in fitting if one.name == name]
    readable = [one for one in fitting if one.reader is not None]
    if readable:
        return readable
    if fitting:
        raise NoPublisher(fitting[0].problem)
    if pid is not None:
        raise NoPublisher(f"process {pid} has no publisher" + (f" named {name!r}" if name else ""))
    if name is not None:
        others = _listed([one for one in found if one.name])
        text = f"no publisher is named {name!r}; those that are: {others or 'none'}"
        problems = [one.problem for one in found if one.problem]
        if problems:  # it may be one of these, which cannot be asked for their names
            more = f" (and {len(problems) - 1} more like that)" if len(problems) > 1 else ""
            text += f"; not read: {problems[0]}{more}"
        raise NoPublisher(text)
    raise NoPublisher("no publisher runs here, as far as this user may look")


def the_only_one(fitting: Sequence[FoundPublisher]) -> FoundPublisher:
    """The one that fits.

    Raises:
        UsageError: there are several; the text lists them.
    """
    if len(fitting) == 1:
        return fitting[0]
    how = "choose one with --pid or --name"
    pids, names = [one.pid for one in fitting], [one.name for one in fitting]
    shared = {pid for pid in pids if pids.count(pid) > 1}
    if shared and all(names) and len(set(names)) == len(names):
        how, shared = "choose one with --name", set()
    elif shared:
        how = "choose one with --pid and a worker's id"
        if len(shared) < len(set(pids)):
            how = "choose one with --pid, and a worker's id where one is listed"
    listed = _listed(fitting, with_workers=shared)
    raise UsageError(f"there are {plural(len(fitting), 'publisher')}, {how}: {listed}")


def ask(
    fitting: Sequence[FoundPublisher], answers: TextIO, questions: TextIO
) -> FoundPublisher | None:
    """Has the user choose, if there are several; None if there is no answer."""
    if len(fitting) == 1:
        return fitting[0]
    for number, one in enumerate(fitting[:LISTED_MAX], 1):
        questions.write(f"{number:>3}  {line_of(one)}\n")
    if len(fitting) > LISTED_MAX:
        questions.write(f"     and {len(fitting) - LISTED_MAX} more: choose with --pid or --name\n")
    while True:
        questions.write("which one? ")
        questions.flush()
        answer = answers.readline()
        if not answer:
            return None
        if answer.strip().isdecimal() and 1 <= int(answer) <= min(len(fitting), LISTED_MAX):
            return fitting[int(answer) - 1]


def line_of(found: FoundPublisher) -> str:
    """A publisher in a line: process id, name, subscribers, messages."""
    try:
        assert found.reader is not None
        totals = found.reader.totals()
    except ClosedError:
        return f"{found.pid:<8} it has ended"
    subscribers = plural(totals.subscribers, "subscriber")
    published = plural(totals.published, "message")
    return f"{found.pid:<8} {printable(found.name) or '(no name)':<20} {subscribers}, {published}"


def _listed(found: Sequence[FoundPublisher], *, with_workers: Collection[int] = ()) -> str:
    """These, and a worker of each that is in one of these processes."""
    shown = []
    for one in found[:LISTED_MAX]:
        notes = [printable(one.name)] if one.name else []
        if one.pid in with_workers:
            others = [other.pids for other in found if other is not one]
            mine = one.pids.difference({one.pid}, *others)
            notes += [f"worker {min(mine)}"] if mine else []
        shown.append(f"{one.pid} ({', '.join(notes)})" if notes else str(one.pid))
    more = len(found) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
