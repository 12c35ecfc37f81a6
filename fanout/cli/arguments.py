"""Reading of arguments: sizes, seconds, counts, and a parser whose errors are one line. Pure."""

from __future__ import annotations

import argparse
import math
import re
import sys
from contextlib import contextmanager
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NoReturn

from fanout.errors import ConfigError
from fanout.terms.arguments import read_size

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping

OK = 0
FAILURE = 1  # the world: an address in use, no memory, a subscriber missing
USAGE = 2  # yours: an argument or option that cannot work

_SIGNED = re.compile(r"-[0-9]")


class UsageError(Exception):
    """Arguments that cannot work; the text is the line that the user sees."""


class ArgumentParser(argparse.ArgumentParser):
    """An `argparse.ArgumentParser` whose errors are one line, with where to read on.

    Options are written out: what is short for one today may be short for two tomorrow.

    Attributes:
        signed: options whose values may begin with a minus, as `-10s`.
    """

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords, allow_abbrev=False)
        self.signed: set[str] = set()
        self._read: list[str] = []  # what it reads now

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As the original, which takes a value that begins with a minus for an option.

        What is not known is an error here: nobody has a use for it.
        """
        self._read = joined(sys.argv[1:] if args is None else args, self.signed)
        found, unknown = super().parse_known_args(self._read, namespace)
        self._read = []
        if unknown:  # that of a subcommand says it itself: its help is the one to read
            self.error(self._unrecognized(unknown))
        return found, unknown

    def _unrecognized(self, unknown: list[str]) -> str:
        return f"unrecognized arguments: {' '.join(unknown)}{self._meant(unknown[0])}"

    def _unknown_options(self) -> list[str]:
        """Of what it reads; none of a parser with subcommands, which have options of their own."""
        given = [] if self._subparsers else [*takewhile(lambda one: one != "--", self._read)]
        names = [one.partition("=")[0] for one in given if one.startswith("--")]
        return [name for name in names if name not in self._option_string_actions]

    def _meant(self, unknown: str) -> str:
        from difflib import get_close_matches  # seldom needed

        options = [name for action in self._actions for name in action.option_strings]
        similar = get_close_matches(unknown.partition("=")[0][:40], options, n=1)
        return f"; did you mean {similar[0]}?" if similar else ""

    def error(self, message: str) -> NoReturn:
        """Prints one line on standard error and exits with `USAGE`.

        An option that is not known is named first: it may be all that is wrong, as where one that
        is required is missing since it is misspelt.
        """
        if unknown := self._unknown_options():
            message = f"{self._unrecognized(unknown)}; {message}"
        self.exit(USAGE, f"{self.prog}: {message} (see: {self.prog} --help)\n")


def joined(arguments: Iterable[str], signed: Container[str]) -> list[str]:
    """`--since -10s` as `--since=-10s`, of these options; up to a `--`."""
    found: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        value = next(rest, None) if argument in signed else None
        if value is not None and _SIGNED.match(value):
            found.append(f"{argument}={value}")
            continue
        found += [argument] if value is None else [argument, value]
        if argument == "--":
            break
    return [*found, *rest]


@contextmanager
def advising(options: Mapping[str, str]) -> Iterator[None]:
    """Has a refusal advise options of the command line instead of arguments of Python.

    Args:
        options: what to say for what `fanout` says.

    Raises:
        ConfigError: as it was raised, in these words.
    """
    try:
        yield
    except ConfigError as error:
        text = str(error)
        for ours, option in options.items():
            text = text.replace(ours, option)
        raise ConfigError(text) from error


def byte_size(text: str) -> int:
    """Reads a number of bytes: `65536`, `64K`, `64KiB`, `1.5G`; a unit is a power of 1,024.

    Raises:
        argparse.ArgumentTypeError: not a size, or not a whole number of bytes.
    """
    size = read_size(text)
    if size is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 65536, 64K or 1.5G")
    return size


def number_of(units: str) -> Callable[[str], float]:
    """What reads a number of these, whose range is looked at later, by who can name it.

    It raises argparse.ArgumentTypeError for what is no number.
    """

    def read(text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of {units}") from None

    return read


number = number_of("seconds")


def seconds(text: str) -> float:
    """Reads seconds, 0 or more.

    Raises:
        argparse.ArgumentTypeError: not a number, negative, or not finite.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, 0 or more")
    return value


def count(text: str) -> int:
    """Reads a whole number, 0 or more.

    Raises:
        argparse.ArgumentTypeError: anything else.
    """
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, 0 or more")
    return int(text)


def positive_count(text: str) -> int:
    """Reads a whole number, 1 or more.

    Raises:
        argparse.ArgumentTypeError: anything else.
    """
    value = count(text)
    if value == 0:
        raise argparse.ArgumentTypeError("0 is too small: 1 or more")
    return value


def complain(program: str, message: object) -> None:
    """Prints one line on standard error; a standard error that is gone is no reason to fail."""
    try:
        print(f"{program}: {' '.join(str(message).split())}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        return
