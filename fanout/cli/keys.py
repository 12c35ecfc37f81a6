"""`fanout keys`: makes a key pair of CURVE, in files, and shows the public key of one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from fanout.cli.arguments import OK, UsageError
from fanout.errors import ConfigError

if TYPE_CHECKING:
    from argparse import Namespace, _SubParsersAction

    from fanout.cli.arguments import ArgumentParser

DESCRIPTION = """\
Makes a key pair of CURVE: NAME.key, which others may have, and NAME.key_secret, which only you may
read; prints the public key. Nothing is overwritten, and no secret key is ever printed.
"""


def add_parser(subparsers: _SubParsersAction[ArgumentParser]) -> None:
    """Adds the subcommand to the parser of the command line."""
    parser = subparsers.add_parser(
        "keys", help="make a key pair of CURVE, or show a public key", description=DESCRIPTION
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "name", metavar="NAME", nargs="?", help="of the files, and of the user that has the key"
    )
    what.add_argument(
        "--show",
        metavar="FILE",
        help="make none, but print the public key of a certificate, or of the secret key in FILE",
    )
    parser.add_argument(
        "--directory", metavar="DIR", help="where the files go; it is there already (default: here)"
    )
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Runs the subcommand; returns its exit status.

    Raises:
        UsageError: the arguments do not go together, or NAME is none.
        ConfigError: a file is there already, cannot be read or written, or has no key; or PyNaCl
            is missing.
    """
    if arguments.show is not None:
        if arguments.directory is not None:
            raise UsageError("--directory goes with NAME")
        print(public_key_of(arguments.show))
        return OK
    from fanout.auth import create_certificates, load_certificate

    name = arguments.name
    if not name or name != name.strip() or not name.isprintable() or name[0] == "." or "/" in name:
        raise UsageError(
            "NAME is that of a file and of a user: without / and blanks around it, or . before it"
        )
    paths = create_certificates(arguments.directory or ".", name, {"name": name})
    print(load_certificate(paths[0])[0].decode())
    print("made {} and, to be kept secret, {}".format(*paths), file=sys.stderr)
    return OK


def public_key_of(path: str) -> str:
    """The public key of what is in a file, in Z85; of a secret one, it is computed.

    Args:
        path: of a certificate, or of a line with a secret key, as `load_secret_key` reads them.

    Raises:
        ConfigError: it cannot be read, or has no key, or PyNaCl is missing for a secret one.
    """
    from fanout.auth import Curve, load_certificate, load_secret_key

    try:
        secret = load_secret_key(path)
    except ConfigError:  # it has none, or cannot be read: which, is said of it as a certificate
        return load_certificate(path)[0].decode()
    return Curve(secret).public_key
