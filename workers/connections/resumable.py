"""Who can go on here: what the coordinator has said of it, and why it cannot. Pure."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from fanout.basics.system_calls import explain_unwatched, is_exhausted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanout.control.takeover import Wants


class NotResumableError(Exception):
    """Nobody can go on with a connection; its text says why, for people.

    Attributes:
        may_pass: whether another worker may, or this one later.
    """

    may_pass = False


class NotNowError(NotResumableError):
    """The system has nothing for it now."""

    may_pass = True


def refused_by(error: OSError) -> NotResumableError:
    """The system does not let us go on with it."""
    if is_exhausted(error):
        return NotNowError(f"its worker got nothing for it: {explain_unwatched(error)}")
    return NotResumableError(f"its connection is broken: {error.strerror}")


@contextmanager
def loading() -> Iterator[None]:
    """What a session is made of may have to be loaded in this block.

    Raises:
        NotNowError: it cannot be now, as where no descriptor is left.
    """
    try:
        yield
    except (ImportError, OSError) as error:
        raise NotNowError(f"its worker got nothing for it: {error}") from error


def history(changes: list[Wants]) -> tuple[list[tuple[int, frozenset[bytes]]], set[bytes]]:
    """Until which message somebody wanted what, and what it wants now."""
    past: list[tuple[int, frozenset[bytes]]] = []
    wants: set[bytes] = set()
    since = 0
    for change in changes:
        if change.sequence > since:
            past.append((change.sequence, frozenset(wants)))
            since = change.sequence
        wants.difference_update(change.cancelled)
        wants.update(change.added)
    return past, wants
