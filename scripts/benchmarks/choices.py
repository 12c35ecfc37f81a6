"""Names on a command line: of workloads, peers, attacks, engines and the like."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable


def check_names(kind: str, names: Iterable[str], known: Collection[str]) -> None:
    """Refuses a name that is not known.

    Raises:
        argparse.ArgumentTypeError: the text names it, and all that there are.
    """
    for name in names:
        if name not in known:
            raise argparse.ArgumentTypeError(f"no {kind} {name!r}; there are {', '.join(known)}")


def names_of(kind: str, known: Collection[str]) -> Callable[[str], tuple[str, ...]]:
    """The type of an option that takes some of these, with commas between."""

    def read(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        check_names(kind, names, known)
        return names

    return read


def some_of(
    parser: argparse.ArgumentParser, kind: str, names: Collection[str], known: Collection[str]
) -> Collection[str]:
    """The names that were given as positional arguments, or all; ends the program if one is bad."""
    try:
        check_names(kind, names, known)
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))
    return names or known
