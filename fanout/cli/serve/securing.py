"""What `fanout serve` asks of subscribers: arguments, and what comes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.cli.arguments import UsageError

if TYPE_CHECKING:
    import argparse

    from fanout.auth import Security


def add_security(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--plain-passwords",
        metavar="FILE",
        help="ask subscribers for user and password (PLAIN, in clear text); FILE has what "
        "`fanout password` prints, a line for each user",
    )
    parser.add_argument(
        "--plain-on-network",
        action="store_true",
        help="allow that on addresses that other machines can reach",
    )


def security_of(arguments: argparse.Namespace) -> Security | None:
    """What endpoints ask for; None = nothing.

    Raises:
        UsageError: the arguments do not go together. ConfigError: the file cannot be used.
    """
    if arguments.plain_passwords is None:
        if arguments.plain_on_network:
            raise UsageError("--plain-on-network goes with --plain-passwords FILE")
        return None
    from fanout.auth import Plain, load_passwords  # seldom needed

    passwords = load_passwords(arguments.plain_passwords)
    return Plain(passwords, on_network=arguments.plain_on_network)
