"""Publishes, has subscribers of all sorts read it, and draws what `fanout top` shows of that.

Everything in the picture is real: sockets, rates and losses. Some subscribers take all, some a few
topics, one reads slowly, and one reads nothing.
"""

from __future__ import annotations

import io
import os
import re
import socket
import sys
import threading
import time
from pathlib import Path

from rich.console import Console

from fanout import Publisher
from fanout.cli.top.columns import BY_NAME, DEFAULT_SORT
from fanout.cli.top.screen import picture
from fanout.cli.top.view import View
from fanout.cli.top.watching import Wanted, Watcher
from fanout.observe.attach import attach
from fanout.observe.publishers import FoundPublisher
from soaking.crowds.wire import GREETING, READY, subscribe

WIDTH, HEIGHT = 160, 25
TURNS = 300  # of publishing, before it is drawn
TURN_S = 0.01
MESSAGES = 300  # each turn
TOPICS = 50
PAYLOAD = bytes(200)
READ_BYTES = 1 << 16
SLOW_BYTES = 1 << 12  # read each turn by the slow one, which is less than comes
BUFFER_BYTES = 1 << 14  # of the slow ones: what the kernel holds is not behind

FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)  # from a server that readers need not ask

POLICY = b"\x00fanout.policy="
INTERVAL = b"\x00fanout.min_interval="
MESSAGES_MAX = b"\x00fanout.limit_messages="
NAME = b"\x00fanout.name="
CROWD = [  # what they are called, what else they say, what they read each turn
    *((b"archive%d" % number, [b""], READ_BYTES) for number in (1, 2)),
    *((b"desk%d" % number, [b"quote.1", b"quote.2"], READ_BYTES) for number in range(1, 6)),
    (b"far-away", [b""], SLOW_BYTES),
    (b"chart", [b"", POLICY + b"conflate", INTERVAL + b"0.25"], SLOW_BYTES),
    (b"ticker", [b"", POLICY + b"drop_newest", MESSAGES_MAX + b"5000"], SLOW_BYTES),
    (b"asleep", [b""], 0),
]


def connect(endpoint: str, prefixes: list[bytes], pace: int) -> socket.socket:
    """A subscriber."""
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    peer = socket.socket()
    if pace < READ_BYTES:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    peer.connect((host, int(port)))
    peer.sendall(GREETING + READY + subscribe(prefixes))
    return peer


def read_for_ever(peer: socket.socket, pace: int) -> None:
    """Read so many bytes each turn, or as fast as it can."""
    try:
        while peer.recv(pace):
            if pace < READ_BYTES:
                time.sleep(5 * TURN_S)
    except OSError:
        pass  # it was closed: that is the end


def main(path: Path) -> None:
    """Draw it into this file."""
    options = {
        "name": "quotes",
        "workers": 2,
        "log_bytes": "8M",
        "send_timeout": 600.0,
        "stall_timeout": 600.0,
        "tcp_user_timeout": 600.0,
        "start_timeout": 300.0,
    }
    with Publisher("tcp://127.0.0.1:*", **options) as publisher:  # type: ignore[arg-type]
        peers = []
        for name, says, pace in CROWD:
            peer = connect(publisher.endpoints[0], [NAME + name, *says], pace)
            peers.append(peer)
            if pace:
                threading.Thread(target=read_for_ever, args=(peer, pace), daemon=True).start()
        publisher.wait_for_subscribers(len(peers), timeout=30)
        watcher = Watcher(
            FoundPublisher(os.getpid(), attach(os.getpid())),
            interval_s=1.0,
            clock=time.monotonic_ns,
            wall=time.time,
            is_alive=lambda pid: True,
        )
        looked = 0.0
        for _ in range(TURNS):
            with publisher.batch() as batch:
                for number in range(MESSAGES):
                    batch.publish(b"quote.%d" % (number % TOPICS), PAYLOAD)
            if time.monotonic() > looked + 1:
                watcher.look()
                looked = time.monotonic()
            time.sleep(TURN_S)
        draw(watcher, path)
        for peer in peers:
            peer.close()


def draw(watcher: Watcher, path: Path) -> None:
    """What the watcher sees now, as a picture."""
    column = BY_NAME[DEFAULT_SORT]
    frame = watcher.frame(Wanted(sort=column, descending=True))
    console = Console(width=WIDTH, height=HEIGHT, record=True, file=io.StringIO())
    view = View(column, descending=True)
    console.print(picture(frame, view, "", "", WIDTH, HEIGHT))
    drawn = console.export_svg(title="fanout top", unique_id="top")
    path.write_text(FONT.sub("", drawn), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
