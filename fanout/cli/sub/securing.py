"""Who `fanout sub` says that it is: arguments, and what comes of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fanout.cli.arguments import UsageError, advising
from fanout.errors import ConfigError

if TYPE_CHECKING:
    import argparse
    from contextlib import AbstractContextManager

    from fanout.auth import ClientSecurity, TlsClient

# What `fanout.auth` and events advise, as options.
OPTIONS = {
    "auth.PlainClient(…, on_network=True)": "--plain-on-network",
    "server_key,": "--curve-server-key-file,",
    "it needs password=…": "give one that is not",
    "server_name of auth.TlsClient(…)": "--tls-server-name",
    "tls=TlsClient(…) with a certificate": "--tls-certificate FILE",
    "PlainClient(…)": "--plain-user NAME",
    "its ca must have": "--tls-ca must have",
    "say which by server_name": "say which by --tls-server-name",
    "give this subscriber one, and its private key": "give one by --tls-certificate and --tls-key",
}
TLS = "tls://"
FILE_BYTES_MAX = 4096  # a password has up to 255 bytes; more is some other file


def add_security(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add = parser.add_argument
    add("--plain-user", metavar="NAME", help="say that it is NAME (PLAIN, in clear text)")
    add(
        "--plain-password-file",
        metavar="FILE",
        help="with --plain-user: the password is the only line of FILE",
    )
    add(
        "--plain-on-network",
        action="store_true",
        help="say that to other machines, too",
    )
    add(
        "--curve-server-key-file",
        metavar="FILE",
        help="encrypted (CURVE, needs PyNaCl), from a publisher with the public key in FILE: 40 "
        "characters of Z85, or a certificate as `fanout keys` and pyzmq make them",
    )
    add(
        "--curve-secret-key-file",
        metavar="FILE",
        help="with the secret key in FILE, in the same forms (default: a new one, for publishers "
        "that let in any key)",
    )
    add(
        "--tls-ca",
        metavar="FILE",
        help="with tls://: the publisher's certificate must be signed by one of those in FILE, in "
        "PEM, or be in it (default: what this machine trusts)",
    )
    add(
        "--tls-certificate",
        metavar="FILE",
        help="with tls://: show this certificate, in PEM, and those that it is signed by after it",
    )
    add("--tls-key", metavar="FILE", help="its private key (default: it is beside the certificate)")
    add(
        "--tls-server-name",
        metavar="NAME",
        help="with tls://: the name that the publisher's certificate must have (default: the host "
        "of ENDPOINT)",
    )


def in_options() -> AbstractContextManager[None]:
    """What a refusal advises, in words of the command line."""
    return advising(OPTIONS)


def security_of(arguments: argparse.Namespace) -> ClientSecurity | None:
    """What it says of itself; None = nothing.

    Raises:
        UsageError: the arguments do not go together. ConfigError: a file cannot be used.
    """
    user, password = arguments.plain_user, arguments.plain_password_file
    server, secret = arguments.curve_server_key_file, arguments.curve_secret_key_file
    if (user is None) != (password is None):
        raise UsageError("--plain-user NAME and --plain-password-file FILE go together")
    if arguments.plain_on_network and user is None:
        raise UsageError("--plain-on-network goes with --plain-user NAME")
    if secret is not None and server is None:
        raise UsageError("--curve-secret-key-file goes with --curve-server-key-file FILE")
    if user is not None and server is not None:
        raise UsageError("a connection has one mechanism: --plain-… or --curve-…")
    if server is not None:
        from fanout.auth import CurveClient, load_public_key, load_secret_key  # seldom needed

        ours = None if secret is None else load_secret_key(secret)
        return CurveClient(load_public_key(server), ours)
    if user is None:
        return None
    from fanout.auth import PlainClient  # seldom needed

    return PlainClient(user, password_in(password), on_network=arguments.plain_on_network)


def tls_of(arguments: argparse.Namespace) -> TlsClient | None:
    """Whom it trusts on `tls://`, and what it shows there; None = nothing is said of it.

    Raises:
        UsageError: the arguments do not go together. ConfigError: a file cannot be used.
    """
    given = {
        "--tls-ca": arguments.tls_ca,
        "--tls-certificate": arguments.tls_certificate,
        "--tls-key": arguments.tls_key,
        "--tls-server-name": arguments.tls_server_name,
    }
    said = [option for option, value in given.items() if value is not None]
    if said and not arguments.endpoint.startswith(TLS):
        raise UsageError(f"{said[0]} goes with an ENDPOINT that begins with {TLS}")
    if arguments.tls_key is not None and arguments.tls_certificate is None:
        raise UsageError("--tls-key FILE goes with --tls-certificate FILE")
    if not said:
        return None
    from fanout.auth import TlsClient  # seldom needed

    return TlsClient(
        ca=arguments.tls_ca,
        certificate=arguments.tls_certificate,
        private_key=arguments.tls_key,
        server_name=arguments.tls_server_name,
    )


def in_words(text: str) -> str:
    """What an event advises, in words of the command line."""
    for ours, option in OPTIONS.items():
        text = text.replace(ours, option)
    return text


def password_in(path: str) -> bytes:
    """The only line of a file.

    Raises:
        ConfigError: it cannot be read, or has none, or more; the text has nothing of it.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    line = data.removesuffix(b"\n").removesuffix(b"\r")
    if not line or b"\n" in line or len(data) > FILE_BYTES_MAX:
        raise ConfigError(f"{path}: a password file has one line, with the password")
    return line
