"""What `fanout serve` asks of subscribers: arguments, and what comes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.cli.arguments import UsageError, advising

if TYPE_CHECKING:
    import argparse
    from contextlib import AbstractContextManager

    from fanout.auth import Security, Tls

OPTIONS = {  # as `fanout.auth` advises them
    "auth.Plain(…, on_network=True)": "--plain-on-network",
    "tls=auth.Tls(…)": "--tls-certificate FILE",
    "it needs password=…": "give one that is not",
}
TLS = "tls://"


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
    parser.add_argument(
        "--tls-certificate",
        metavar="FILE",
        help="what encrypts tls:// endpoints: a certificate in PEM, and those that it is signed by "
        "after it",
    )
    parser.add_argument(
        "--tls-key",
        metavar="FILE",
        help="its private key in PEM (default: it is beside the certificate)",
    )
    parser.add_argument(
        "--tls-client-ca",
        metavar="FILE",
        help="serve only who shows a certificate that is signed by one of these, on tls:// "
        "endpoints",
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


def tls_of(arguments: argparse.Namespace) -> Tls | None:
    """What encrypts `tls://` endpoints; None = there are none.

    Raises:
        UsageError: the arguments do not go together. ConfigError: a file cannot be used.
    """
    certificate = arguments.tls_certificate
    key, authority = arguments.tls_key, arguments.tls_client_ca
    for option, value in (("--tls-key", key), ("--tls-client-ca", authority)):
        if value is not None and certificate is None:
            raise UsageError(f"{option} goes with --tls-certificate FILE")
    is_used = any(endpoint.startswith(TLS) for endpoint in arguments.bind)
    if is_used != (certificate is not None):
        raise UsageError("--tls-certificate FILE goes with --bind tls://…, and the other way round")
    if certificate is None:
        return None
    from fanout.auth import Tls  # seldom needed

    with in_options():
        return Tls(certificate, key, client_ca=authority)


def tls_for(endpoint: str, tls: Tls | None) -> Tls | None:
    """What encrypts this one of the endpoints."""
    return tls if endpoint.startswith(TLS) else None
