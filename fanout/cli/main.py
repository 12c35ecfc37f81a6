"""The `fanout` command.

Exit status: 0 ok, 1 failure (the world), 2 an argument or option that cannot work. An error is one
line on standard error; a traceback is a bug of fanout.
"""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

from fanout.cli.arguments import FAILURE, USAGE, ArgumentParser, UsageError, complain
from fanout.cli.serve import command as serve
from fanout.cli.sub import command as sub
from fanout.cli.top import command as top
from fanout.descriptors import fill_standard
from fanout.errors import ConfigError, FanoutError

if TYPE_CHECKING:
    from collections.abc import Sequence

DESCRIPTION = "Publishes to ZeroMQ SUB sockets through a pool of worker processes."


def build_parser() -> ArgumentParser:
    """Returns the parser of the whole command line."""
    parser = ArgumentParser(prog="fanout", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"fanout {_version()}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True, dest="command")
    serve.add_parser(subparsers)
    sub.add_parser(subparsers)
    top.add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line (None = of this process); returns the exit status.

    Standard descriptors that are closed are taken by /dev/null: nothing else gets their numbers,
    and a message for standard error does not end up in a socket.

    Raises:
        SystemExit: from argparse: --help, --version, or arguments it cannot read.
    """
    fill_standard()
    arguments = build_parser().parse_args(argv)
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
    try:
        return importlib.metadata.version("fanout-zmq")
    except importlib.metadata.PackageNotFoundError:  # run from a checkout that is not installed
        return "(not installed)"
