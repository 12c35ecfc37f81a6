"""CURVE over real sockets, attacked by chance: each attack has its end, and nobody else feels it.

A stock subscriber is served meanwhile, and gets everything, by one connection. What attacks there
are is in `curve_attacks.py`; `sessions_attacked.py` has them without sockets, and many more in a
second. Run by hand for long:

    python -m tests.faults.curve_attacked --runs 10000
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from random import Random
from typing import TYPE_CHECKING
from unittest import mock

import zmq

from fanout import EventKind, Publisher, auth
from fanout.coordinator import telling
from fanout.security.z85 import z85_decode
from tests.faults.curve_attacks import ANYTHING, BAD, INBOUND_BYTES, End, Talk
from tests.helpers.curve import CurveSeen, new_keys
from tests.helpers.happenings import Happenings
from tests.helpers.raw import RawPeer
from tests.helpers.stock import Stock
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout import Event

A_ROUND = 100  # attacks on one publisher; each one of those that must be closed is among them
ENDS = {EventKind.HANDSHAKE_FAILED, EventKind.SUBSCRIBER_EVICTED}


def one_round(rng: Random, runs: int = A_ROUND) -> None:
    """So many attacks on one publisher.

    Raises:
        AssertionError: one did not end as it has to, or somebody else felt it. A note says which.
    """
    happenings, stock, server = Happenings(), Stock(), new_keys()
    attacks = [*BAD, *rng.choices((*BAD, *ANYTHING, *ANYTHING, *ANYTHING), k=runs)][:runs]
    rng.shuffle(attacks)
    with (
        mock.patch.object(telling, "is_thinned", return_value=False),
        Publisher(
            *("tcp://127.0.0.1:*",),
            workers=1,
            log_bytes=1 << 20,
            max_inbound_bytes=INBOUND_BYTES,
            on_event=happenings,
            security=auth.Curve(server.secret, rng.choice((None, lambda _request: True))),
        ) as publisher,
    ):
        neighbour = CurveSeen(stock, server.public).connect(publisher.endpoints[0])
        try:
            publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            [worker] = publisher.statistics().workers
            connect = partial(RawPeer, publisher.endpoints[0])
            for number, attack in enumerate(attacks):
                talk = Talk(connect, z85_decode(server.public), rng)
                try:
                    _attack(talk, attack, happenings)
                    publisher.publish(b"n", b"%d" % number)
                    assert neighbour.socket.recv_multipart() == [b"n", b"%d" % number]
                except BaseException as error:
                    error.add_note(f"attack {number}: {attack.__name__}")
                    raise
                finally:
                    talk.close()
            _are_gone(publisher)
            assert neighbour.saw(zmq.Event.HANDSHAKE_SUCCEEDED) == 1
            assert publisher.statistics().workers == (worker,)
        finally:
            stock.close()


def _attack(talk: Talk, attack: Callable[[Talk], End | None], happenings: Happenings) -> None:
    end = attack(talk)
    if end is None:
        return
    assert isinstance(talk.peer, RawPeer)
    name = "{}:{}".format(*talk.peer.socket.getsockname())

    def told() -> list[Event]:
        return [one for one in happenings.events if one.kind in ENDS and one.peer == name]

    [event] = wait_until(told, "it is closed")
    kind = EventKind.SUBSCRIBER_EVICTED if talk.key else EventKind.HANDSHAKE_FAILED
    assert event.kind is kind, event
    assert event.cause is not None
    assert end.is_met(event.cause, event.reason), event


def _are_gone(publisher: Publisher) -> None:
    """All but the neighbour, and each is counted once."""

    def are_counted() -> bool:
        now = publisher.statistics()
        ended = now.failed_handshakes + now.evicted + now.disconnected
        return now.subscribers == 1 and ended == now.accepted - 1

    wait_until(are_counted, "all are gone, and counted")
    assert len(publisher.subscribers()) == 1


def main() -> int:
    """Run so many attacks, and say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--runs", type=int, default=A_ROUND, help="attacks")
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    arguments = parser.parse_args()
    began = time.monotonic()
    for seed in range(arguments.seed, arguments.seed + -(-arguments.runs // A_ROUND)):
        try:
            one_round(Random(seed))
        except BaseException:
            print(f"failed: python -m tests.faults.curve_attacked --seed {seed}")
            raise
    print(f"{arguments.runs} attacks in {time.monotonic() - began:.0f} s: all held")
    return 0


if __name__ == "__main__":
    sys.exit(main())
