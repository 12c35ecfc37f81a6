"""`fanout top`: shows what a publisher and its subscribers do."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

from fanout.cli import arguments as args
from fanout.cli.top.arguments import DESCRIPTION, add_arguments, check, epilog, interval_of
from fanout.cli.top.choosing import NoPublisher, ask, candidates, the_only_one
from fanout.cli.top.columns import BY_NAME, DEFAULT_SORT
from fanout.cli.top.live import LiveTable
from fanout.cli.top.plain import lines_of
from fanout.cli.top.records import csv_lines, json_line
from fanout.cli.top.terminal import Keyboard
from fanout.cli.top.view import View
from fanout.cli.top.watching import Wanted, Watcher
from fanout.errors import ClosedError
from fanout.observe.attach import files
from fanout.observe.publishers import FoundPublisher, parent_of, publishers

if TYPE_CHECKING:
    from argparse import _SubParsersAction
    from collections.abc import Callable

    from fanout.cli.top.figures import Frame

NEEDS_TERMINAL = (
    "the live table needs a terminal, and rich (pip install 'fanout-zmq[live]'): "
    "add --once, --json or --csv, which do without both"
)
NEEDS_RICH = (
    "the live table needs rich: pip install 'fanout-zmq[live]'; --once, --json and --csv do without"
)


def add_parser(subparsers: _SubParsersAction[args.ArgumentParser]) -> None:
    """Adds the subcommand to the parser of the command line."""
    parser = subparsers.add_parser(
        "top",
        help="show what a publisher and its subscribers do",
        description=DESCRIPTION,
        epilog=epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs the subcommand; returns its exit status.

    Raises:
        UsageError: arguments that do not go together, several publishers, or no terminal.
        NoPublisher: there is none, or it cannot be read.
        AttachError: no such process, or another user's.
    """
    if sys.stdout is None:
        raise args.UsageError("standard output is closed")
    check(arguments)
    interval_s = interval_of(arguments)
    if arguments.once or arguments.json or arguments.csv:
        found = the_only_one(find(arguments))
        return print_looks(arguments, _watcher(found, interval_s), interval_s, sys.stdout)
    if sys.stdin is None or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise args.UsageError(NEEDS_TERMINAL)
    try:
        from fanout.cli.top.screen import RichScreen
    except ImportError:
        args.complain("fanout top", NEEDS_RICH)
        return args.FAILURE
    chosen = ask(find(arguments), sys.stdin, sys.stdout)
    if chosen is None:
        return args.OK
    watcher = _watcher(chosen, interval_s)
    with Keyboard(sys.stdin.fileno()) as keyboard, closing(RichScreen(sys.stdout)) as screen:
        view = view_of(arguments, interval_s)
        return LiveTable(watcher, view, keyboard, screen, stop=_stop).run()


def find(arguments: argparse.Namespace) -> list[FoundPublisher]:
    """The publishers that are meant.

    Raises:
        NoPublisher: there is none, or it cannot be read.
        AttachError: no such process, or another user's.
    """
    pids = None
    if arguments.pid is not None:
        files(arguments.pid)  # says it if there is none, or if it is another user's
        pids = (arguments.pid, parent_of(arguments.pid))  # it may be a worker
    found = candidates(publishers(pids), arguments.pid, arguments.name)
    if pids is None or len(found) == 1:
        return found
    return candidates(publishers(), arguments.pid, arguments.name)  # with their workers, to list


def wanted_of(arguments: argparse.Namespace, rows: int | None) -> Wanted:
    """What the arguments ask to be shown; for programs by id, unless they say otherwise."""
    is_for_programs = arguments.json or arguments.csv
    name = arguments.sort or (None if is_for_programs else DEFAULT_SORT)
    sort = BY_NAME[name] if name else None
    descending = sort is not None and not sort.is_text
    return Wanted(
        sort=sort,
        descending=descending is not bool(arguments.reverse),
        filter=arguments.filter,
        rows=rows,
        ended=arguments.closed,
    )


def view_of(arguments: argparse.Namespace, interval_s: float) -> View:
    """How the live table is looked at to begin with."""
    wanted = wanted_of(arguments, arguments.rows)
    assert wanted.sort is not None
    return View(
        *(wanted.sort, wanted.descending, wanted.filter),
        interval_s=interval_s,
        ended=wanted.ended,
    )


def print_looks(
    arguments: argparse.Namespace,
    watcher: Watcher,
    interval_s: float,
    output: TextIO,
    sleep: Callable[[float], object] = time.sleep,
) -> int:
    """Prints how things stand each interval, or once; returns the exit status.

    Raises:
        NoPublisher: it ended before there was anything to print.
        KeyboardInterrupt: a signal came before that.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    wanted = wanted_of(arguments, arguments.rows)
    printed = 0
    try:
        watcher.look()
        while True:
            if interval_s:
                sleep(interval_s)
                watcher.look()
            _print(arguments, watcher.frame(wanted), output, header=not printed)
            wanted = replace(wanted, after=watcher.last_end)  # each end is printed once
            printed += 1
            if arguments.once:
                return args.OK
    except ClosedError as error:
        if not printed:
            raise NoPublisher(str(error)) from None
        args.complain("fanout top", error)
        return args.OK
    except KeyboardInterrupt:
        if not printed:
            raise
        return args.OK
    except BrokenPipeError:
        # Python flushes standard output once more at exit, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
        return args.OK


def _print(arguments: argparse.Namespace, frame: Frame, output: TextIO, *, header: bool) -> None:
    if arguments.json:
        output.write(json_line(frame))
    elif arguments.csv:
        output.writelines(csv_lines(frame, header=header))
    else:
        output.writelines(f"{line}\n" for line in lines_of(frame))
    output.flush()


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)  # until SIGCONT comes


def _watcher(found: FoundPublisher, interval_s: float) -> Watcher:
    return Watcher(
        found,
        interval_s=interval_s,
        clock=time.monotonic_ns,
        wall=time.time,
        is_alive=lambda pid: os.path.exists(f"/proc/{pid}"),
    )
