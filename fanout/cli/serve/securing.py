"""What `fanout serve` asks of subscribers: arguments, and what comes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.cli.arguments import UsageError, advising

if TYPE_CHECKING:
    import argparse
    from contextlib import AbstractContextManager

    from fanout.auth import Security

OPTIONS = {"auth.Plain(…, on_network=True)": "--plain-on-network"}  # as `fanout.auth` advises it


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
    parser.add_argument(
        "--curve-secret-key-file",
        metavar="FILE",
        help="encrypt (CURVE, needs PyNaCl) with the secret key in FILE: 40 characters of Z85, or "
        "a secret certificate as `fanout keys` and pyzmq make them; subscribers may have any key",
    )
    parser.add_argument(
        "--curve-previous-key-file",
        metavar="FILE",
        help="serve those who know the public key of this one, too",
    )
    parser.add_argument(
        "--allow",
        metavar="DIR",
        help="serve only who has a key with a certificate, *.key, in DIR, with "
        "--curve-secret-key-file; the certificates may come and go",
    )


def in_options() -> AbstractContextManager[None]:
    """What a refusal advises, in words of the command line."""
    return advising(OPTIONS)


def security_of(arguments: argparse.Namespace) -> Security | None:
    """What endpoints ask for; None = nothing.

    Raises:
        UsageError: the arguments do not go together. ConfigError: a file cannot be used.
    """
    key, previous = arguments.curve_secret_key_file, arguments.curve_previous_key_file
    for option, value in (("--curve-previous-key-file", previous), ("--allow", arguments.allow)):
        if value is not None and key is None:
            raise UsageError(f"{option} goes with --curve-secret-key-file FILE")
    if key is not None:
        if arguments.plain_passwords is not None:
            raise UsageError("an endpoint has one mechanism: --plain-passwords or --curve-…")
        from fanout.auth import Curve, Directory, load_secret_key  # seldom needed

        before = None if previous is None else load_secret_key(previous)
        check = None if arguments.allow is None else Directory(arguments.allow)
        return Curve(load_secret_key(key), check, previous=before)
    if arguments.plain_passwords is None:
        if arguments.plain_on_network:
            raise UsageError("--plain-on-network goes with --plain-passwords FILE")
        return None
    from fanout.auth import Plain, load_passwords  # seldom needed

    passwords = load_passwords(arguments.plain_passwords)
    return Plain(passwords, on_network=arguments.plain_on_network)
