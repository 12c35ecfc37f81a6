"""`fanout password`: what is stored of a password, as a line for `--plain-passwords`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from fanout.cli.arguments import OK, UsageError

if TYPE_CHECKING:
    from argparse import Namespace, _SubParsersAction

    from fanout.cli.arguments import ArgumentParser

_LINE_BYTES_MAX = 4096  # of standard input; a password has up to 255 bytes

DESCRIPTION = """\
Asks for a password, twice, and prints a line for the file of `fanout serve --plain-passwords`.
If standard input is no terminal, its first line is the password.
"""


def add_parser(subparsers: _SubParsersAction[ArgumentParser]) -> None:
    """Adds the subcommand to the parser of the command line."""
    parser = subparsers.add_parser(
        "password", help="print a line for a file of passwords", description=DESCRIPTION
    )
    parser.add_argument("user", metavar="USER", help="who has it")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the subcommand; returns its exit status.

    Raises:
        UsageError: there is no password, or user and password cannot be in such a file.
        ConfigError: the password is longer than PLAIN can carry.
    """
    from fanout.auth import hash_password

    user = arguments.user
    if user != user.strip() or not user.isprintable() or user.startswith("#"):
        raise UsageError("USER is one line of text, without blanks around it or a # before it")
    print(f"{user}:{hash_password(_asked())}")
    return OK


def _asked() -> str:
    if sys.stdin is None:
        raise UsageError("standard input is closed")
    if not sys.stdin.isatty():
        password = sys.stdin.readline(_LINE_BYTES_MAX).removesuffix("\n").removesuffix("\r")
        if not password:
            raise UsageError("standard input has no password")
        return password
    from getpass import getpass  # loads termios

    password = getpass("password: ")
    if not password:
        raise UsageError("no password")
    if getpass("once more: ") != password:
        raise UsageError("these were two passwords")
    return password
