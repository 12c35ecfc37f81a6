"""Who may subscribe, and as whom: what `security=` takes, and what checks are given and return.

from fanout import Publisher, Subscriber, auth

passwords = auth.Passwords({"desk7": "scrypt$16384$8$1$…"})  # made by auth.hash_password()
publisher = Publisher("tcp://127.0.0.1:5556", security=auth.Plain(passwords))

def check(request: auth.Request) -> auth.Verdict:
    return auth.Allow() if request.username in users else auth.Deny("unknown")

subscriber = Subscriber("tcp://127.0.0.1:5556", security=auth.PlainClient("desk7", password))
"""

from __future__ import annotations

from fanout.security.certificates import (
    create_certificates,
    load_certificate,
    load_certificates,
)
from fanout.security.clients import ClientSecurity, CurveClient, PlainClient
from fanout.security.curve import Curve
from fanout.security.directory import Directory
from fanout.security.endpoints import Null, Plain, Security
from fanout.security.key_file import load_public_key, load_secret_key
from fanout.security.password_file import load_passwords
from fanout.security.passwords import Passwords, hash_password
from fanout.security.tls import Tls
from fanout.security.tls_client import TlsClient
from fanout.security.verdicts import Allow, Deny, Later, Request, Verdict

__all__ = [
    "Allow",
    "ClientSecurity",
    "Curve",
    "CurveClient",
    "Deny",
    "Directory",
    "Later",
    "Null",
    "Passwords",
    "Plain",
    "PlainClient",
    "Request",
    "Security",
    "Tls",
    "TlsClient",
    "Verdict",
    "create_certificates",
    "hash_password",
    "load_certificate",
    "load_certificates",
    "load_passwords",
    "load_public_key",
    "load_secret_key",
]
