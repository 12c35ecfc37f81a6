"""The arguments of `fanout top`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fanout.cli import arguments as args
from fanout.cli.top.columns import BY_NAME, COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable

INTERVAL_S = 1.0
ONCE_S = 0.3
"""Between the two readings of `--once`: all of it is to take less than a second."""
INTERVAL_MIN_S = 0.1
"""Workers bring their figures up to date no more often."""

DESCRIPTION = """\
Shows what the publishers of this machine and their subscribers do: who is slow, who loses messages,
and how fast everything goes. It reads shared memory only: it works while a publisher is busy,
stopped or hung, costs it nothing, and can change nothing.

Without --pid and --name it shows the publisher there is; of several it asks which. With none of
--once, --json and --csv it is a live table in the terminal, which needs the extra `live`:
pip install 'fanout-zmq[live]'."""

EPILOG = """\
keys of the live table:
  {keys}
          sort by a column, in its title; again: the other way round
  < > r   sort by the next column to the left or right; the other way round
  up down pgup pgdn   select a subscriber
  enter   all figures of the selected one, and back
  / f     filter: words that are in id, name, user, address, endpoint or policy; esc clears it
  c       those that have ended, the newest first, and back
  space   pause, and go on
  + -     look more often, less often
  ? h     help
  q       quit

exit status:
  0  ended as asked, or the publisher ended, or nobody reads the output any more
  1  failure: no publisher is there, or it cannot be read: another user's, another version's
  2  an argument that cannot work, several publishers and nobody to ask, or no terminal"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds all of them to the parser of the subcommand."""
    add = parser.add_argument
    add("--pid", type=args.positive_count, metavar="PID", help="the publisher of this process")
    add("--name", metavar="NAME", help='the publisher of this name: Publisher(name="NAME")')
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--json", action="store_true", help="print a JSON object each interval")
    shown.add_argument("--csv", action="store_true", help="print subscribers as CSV each interval")
    add("--once", action="store_true", help="print how things stand, and end")
    add(
        "--interval",
        type=interval,
        metavar="S",
        help=f"seconds between two looks, {INTERVAL_MIN_S:g} or more (default: {INTERVAL_S:g}; "
        f"with --once {ONCE_S:g}, and 0 = look once only, without rates)",
    )
    names = _words(BY_NAME)
    add("--sort", choices=tuple(BY_NAME), metavar="COLUMN", help=f"sort subscribers by {names}")
    add("--reverse", action="store_true", help="sort the other way round")
    add("--filter", default="", metavar="TEXT", help="show those that have all words of TEXT")
    add("--rows", type=args.count, metavar="N", help="show N subscribers at most (default: all)")
    add(
        "--closed",
        action="store_true",
        help="show those that have ended, and why; with --json or --csv each is printed once",
    )


def epilog() -> str:
    """What `--help` says at its end."""
    return EPILOG.format(keys=" ".join(column.key for column in COLUMNS))


def interval(text: str) -> float:
    """Reads an interval.

    Raises:
        argparse.ArgumentTypeError: neither 0 nor a number of seconds that workers keep up with.
    """
    value = args.seconds(text)
    if 0 < value < INTERVAL_MIN_S:
        raise argparse.ArgumentTypeError(f"{text} s is too short: {INTERVAL_MIN_S:g} or more, or 0")
    return value


def interval_of(arguments: argparse.Namespace) -> float:
    """Seconds between two looks.

    Raises:
        UsageError: it is 0, and there is to be more than one look.
    """
    given: float | None = arguments.interval
    if arguments.once:
        return ONCE_S if given is None else given
    if given == 0:
        raise args.UsageError("--interval 0 needs --once: it looks only once")
    return INTERVAL_S if given is None else given


def check(arguments: argparse.Namespace) -> None:
    """Refuse what does not go together, beside what the parser finds.

    Raises:
        UsageError: to sort what has an order of its own.
    """
    if arguments.closed and (arguments.sort or arguments.reverse):
        option = "--sort" if arguments.sort else "--reverse"
        raise args.UsageError(f"{option} is for subscribers: --closed has the order of the ends")


def _words(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}"
