"""Who receives, sends, asks and is checked in a program without two of its standard streams.

Run by test_closed_streams.py. It prints, to standard error, what had the number of one of these.
"""

from __future__ import annotations

import os
from tempfile import TemporaryDirectory
from typing import Any

from fanout import Producer, Publisher, Subscriber, auth
from fanout.sockets import Pull, Push, Req
from tests.helpers.certificates import AUTHORITY, SERVER, SERVER_KEY
from tests.helpers.waiting import DEADLINE_S

CLOSED = (0, 1)  # standard error stays: what goes wrong is said there

OURS = ("fanout", ".key", ".key_secret")  # how what is opened for a moment is called

wrong: set[str] = set()


def look(while_what: str) -> None:
    """Note which of them somebody has."""
    for number in CLOSED:
        try:
            file = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            continue
        wrong.add(f"{while_what}: {number} is {file}")


def noting(name: str) -> None:
    """Have a function of `os` that opens something look, too: what it opens is soon closed."""
    real = getattr(os, name)

    def opened(*arguments: Any, **named: Any) -> Any:
        descriptor = real(*arguments, **named)
        if descriptor in CLOSED and str(arguments[0]).endswith(OURS):
            wrong.add(f"os.{name} of {arguments[0]!r}: {descriptor}")
        return descriptor

    setattr(os, name, opened)


async def check(request: auth.Request) -> bool:
    """By a loop of its own."""
    look(f"a check of {request.username} is awaited")
    return True


def main() -> None:
    for number in CLOSED:
        os.close(number)
    for name in ("memfd_create", "open"):
        noting(name)
    with TemporaryDirectory() as directory:
        auth.create_certificates(directory, "desk7")
    tls = auth.Tls(SERVER, SERVER_KEY)
    with Publisher(["tcp://127.0.0.1:*", "ipc://*"], workers=1, log_bytes=1 << 20) as publisher:
        publisher.bind("tls://127.0.0.1:*", tls=tls)
        publisher.bind("tcp://127.0.0.1:*", security=auth.Plain(check))
        serve(publisher)


def serve(publisher: Publisher) -> None:
    """Have all of them get something."""
    clear, local, encrypted, closed = publisher.endpoints
    desk7, trust = auth.PlainClient("desk7", "a long one"), auth.TlsClient(ca=AUTHORITY)
    subscribers = [
        Subscriber(clear),
        Subscriber(local),
        Subscriber(encrypted, tls=trust),
        Subscriber(closed, security=desk7),
    ]
    publisher.wait_for_subscribers(len(subscribers), timeout=DEADLINE_S)
    with (
        Producer(publisher.ingest("tcp://127.0.0.1:*")) as producer,
        Req() as req,
        Pull() as pull,
        Push() as push,
    ):
        req.connect(publisher.answer("ipc://*"))
        push.connect(pull.bind("tcp://127.0.0.1:*"))
        producer.publish(b"t", b"1")
        req.send(b'{"ask": "now"}', DEADLINE_S)
        push.send(b"work", DEADLINE_S)
        waiting: list[Any] = [*subscribers, req, pull]
        for one in waiting:
            one.recv(DEADLINE_S)
        look("all have got something")
    for subscriber in subscribers:
        subscriber.close()


if __name__ == "__main__":
    main()
    for line in sorted(wrong):
        os.write(2, f"{line}\n".encode())
