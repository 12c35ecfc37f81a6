"""The `fanout` command.

Exit status: 0 ok, 1 failure (the world), 2 an argument or option that cannot work. An error is one
line on standard error; a traceback is a bug of fanout.
"""

from __future__ import annotations

import sys
from argparse import Action
from typing import TYPE_CHECKING

from fanout.basics.descriptors import fill_standard
from fanout.cli.arguments import FAILURE, USAGE, ArgumentParser, UsageError, complain
from fanout.compiled import are_boxes_compiled, is_compiled
from fanout.errors import ConfigError, FanoutError

if TYPE_CHECKING:
    from argparse import Namespace, _SubParsersAction
    from collections.abc import Callable, Sequence

DESCRIPTION = "Publishes to ZeroMQ SUB sockets through a pool of worker processes."


def _add_serve(subparsers: _SubParsersAction[ArgumentParser]) -> None:
    from fanout.cli.serve.command import add_parser

    add_parser(subparsers)


def _add_sub(subparsers: _SubParsersAction[ArgumentParser]) -> None:
    from fanout.cli.sub.command import add_parser

    add_parser(subparsers)


def _add_top(subparsers: _SubParsersAction[ArgumentParser]) -> None:
    from fanout.cli.top.command import add_parser

    add_parser(subparsers)


def _add_password(subparsers: _SubParsersAction[ArgumentParser]) -> None:
    from fanout.cli.password import add_parser

    add_parser(subparsers)


def _add_keys(subparsers: _SubParsersAction[ArgumentParser]) -> None:
    from fanout.cli.keys import add_parser

    add_parser(subparsers)


COMMANDS: dict[str, Callable[[_SubParsersAction[ArgumentParser]], None]] = {
    "serve": _add_serve,
    "sub": _add_sub,
    "top": _add_top,
    "password": _add_password,
    "keys": _add_keys,
}


def build_parser(argv: Sequence[str] = ()) -> ArgumentParser:
    """Returns the parser of the whole command line.

    Args:
        argv: what it is to read. Of a subcommand that is named at its beginning no other is loaded:
            that would take longer than all that `fanout sub` itself needs.
    """
    parser = ArgumentParser(prog="fanout", description=DESCRIPTION)
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="show program's version number and exit"
    )
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True, dest="command")
    for name in argv[:1] if argv and argv[0] in COMMANDS else COMMANDS:
        COMMANDS[name](subparsers)
    return parser


class _Version(Action):
    """Prints the version, and what is compiled. To look it up takes 0.05 s; nobody waits for it."""

    def __call__(
        self,
        parser: ArgumentParser,  # type: ignore[override]  # the one that it was made for
        namespace: Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        print(f"fanout {_version()} ({_kind(is_compiled(), are_boxes_compiled())})")
        parser.exit()


def _kind(is_appending: bool, is_sealing: bool) -> str:
    """What is compiled, for people; all of it or nothing, mostly."""
    words = "compiled" if is_appending else "pure Python"
    return words if is_appending is is_sealing else f"{words}, but for CURVE"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line (None = of this process); returns the exit status.

    Standard descriptors that are closed are taken by /dev/null: nothing else gets their numbers,
    and a message for standard error does not end up in a socket.

    Raises:
        SystemExit: from argparse: --help, --version, or arguments it cannot read.
    """
    fill_standard()
    argv = sys.argv[1:] if argv is None else argv
    arguments = build_parser(argv).parse_args(argv)
    program = f"fanout {arguments.command}"
    try:
        return int(arguments.run(arguments))
    except (UsageError, ConfigError) as error:
        complain(program, error)
        return USAGE
    except (FanoutError, OSError) as error:
        complain(program, error)
        return FAILURE
    except KeyboardInterrupt:
        complain(program, "interrupted")
        return FAILURE


def _version() -> str:
    import importlib.metadata

    try:
        return importlib.metadata.version("fanout-zmq")
    except importlib.metadata.PackageNotFoundError:  # run from a checkout that is not installed
        return "(not installed)"
