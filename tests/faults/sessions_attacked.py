"""Sessions with PLAIN and CURVE attacked by chance, in memory: as many as one likes.

They are made as a worker makes them, from keys that all share. Each attack ends as it has to, with
one violation and nothing else, and neighbours that are honest are served on, by boxes that are cut
once for all. `curve_attacked.py` does the same with CURVE over sockets. Run by hand for long:

    python -m tests.faults.sessions_attacked --runs 1000000
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, get_args

from fanout.workers.connections.said import fault_of
from fanout.workers.connections.sealed import NOTHING_KEPT, Sealing
from fanout.workers.connections.sessions import SESSIONS, _maker_with_keys
from fanout.zmtp import (
    FrameReader,
    Session,
    SessionEvent,
    SessionState,
    Violation,
    encode_message,
)
from tests.faults.curve_attacks import (
    ANYTHING,
    BAD,
    INBOUND_BYTES,
    Talk,
    mutated,
    sodium,
)
from tests.helpers.limits import LIMITS
from tests.unit.zmtp import test_plain as plain
from tests.unit.zmtp.wire import CANCEL_A, SUBSCRIBE_A

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.curve_attacks import End

A_ROUND = 200  # attacks beside one neighbour of each mechanism, who is served after each tenth
SERVED_EACH = 10
CUTS_MAX = 4  # of what is sent at once
PLAIN_PART = 0.4  # of all attacks
LIMITED = replace(LIMITS, max_frame_bytes=INBOUND_BYTES)
EVENTS = get_args(SessionEvent)
MESSAGE = encode_message([b"topic", b"payload"])
PLAIN_STREAM = (plain.GREETING, plain.HELLO, plain.INITIATE, SUBSCRIBE_A + CANCEL_A + SUBSCRIBE_A)


class MemoryPeer:
    """One connection to a session, without a socket; see `RawPeer`."""

    def __init__(self, session: Session, rng: Random, verdict: str = "allow") -> None:
        self.session = session
        self.events: list[SessionEvent] = []
        self._rng = rng
        self._verdict = verdict
        self._said = bytearray(session.data_to_send())

    def send(self, data: bytes) -> None:
        """Bring it, in some pieces; then whoever is to be judged is."""
        session, count = self.session, self._rng.randrange(CUTS_MAX)
        cuts = sorted(self._rng.randrange(len(data) + 1) for _ in range(count))
        for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            was_closed = session.state is SessionState.CLOSED
            new = session.receive_data(data[begin:end])
            assert not (was_closed and new), "it goes on after its end"
            self.events += new
            self._said += session.data_to_send()
        if session.state is SessionState.AUTHENTICATING:
            if self._verdict == "allow":
                self.events += session.allow()
            elif self._verdict == "deny":
                session.deny()
            self._said += session.data_to_send()

    send_if_open = send

    def read(self, count: int) -> bytes:
        assert len(self._said) >= count, f"it has said no more than {bytes(self._said)!r}"
        data = bytes(self._said[:count])
        del self._said[:count]
        return data

    def expect(self, data: bytes) -> None:
        assert self.read(len(data)) == data

    def read_frame(self) -> tuple[int, bytes]:
        flags = self.read(1)[0]
        size = int.from_bytes(self.read(8 if flags & 2 else 1), "big")
        return flags & ~2, self.read(size)

    def close(self) -> None:
        """Nobody holds anything of it."""

    @property
    def violation(self) -> Violation | None:
        """Why it has ended, if it has; all that it has told is as it must be.

        Raises:
            AssertionError: it is not.
        """
        assert all(isinstance(event, EVENTS) for event in self.events)
        found = [at for at, event in enumerate(self.events) if isinstance(event, Violation)]
        assert found in ([], [len(self.events) - 1]), "the last event, and once"
        if not found:
            return None
        assert self.session.state is SessionState.CLOSED
        last = self.events[-1]
        assert isinstance(last, Violation)
        return last


class Neighbour:
    """An honest subscriber with CURVE, which gets what it has asked for."""

    def __init__(self, connect: Callable[[], MemoryPeer], public: bytes, sealing: Sealing) -> None:
        self._talk = Talk(connect, public, Random(0)).serve()
        assert isinstance(self._talk.peer, MemoryPeer)
        self.peer = self._talk.peer
        self._sent = bytearray()
        sealer = self.peer.session.sealer
        assert sealer is not None
        self._send = sealing.under(sealer, NOTHING_KEPT)(self._take)
        self._reader = FrameReader(INBOUND_BYTES)

    def _take(self, data: bytes | memoryview) -> int:
        self._sent += data
        return len(data)

    def is_served(self, number: int) -> bool:
        """Whether it can change what it wants, and gets a message."""
        topic = b"%d" % number
        self.peer.send(self._talk.sealer.seal(4, b"\x09SUBSCRIBE" + topic))
        message = [topic, b"payload"]
        self._send.let()
        wire = encode_message(message)
        done = self._send(wire)
        self._reader.feed(self._talk.opener.open(bytes(self._sent)))
        self._sent.clear()
        got = [body for _flags, body in self._reader.frames()]
        return done == len(wire) and got == message and topic in self.peer.session.subscriptions


def one_round(rng: Random, runs: int = A_ROUND) -> int:
    """So many attacks, beside neighbours.

    Returns:
        How many of them ended by a violation.

    Raises:
        AssertionError: one did not end as it has to, or a neighbour felt it. A note says which.
    """
    secret = rng.randbytes(32)
    public, make = sodium().public_of(secret), _maker_with_keys([secret], sodium())
    sealing, ended = Sealing(), 0

    def connect() -> MemoryPeer:
        return MemoryPeer(make(LIMITED), rng)

    neighbour = Neighbour(connect, public, sealing)
    other = MemoryPeer(SESSIONS["zmtp+plain"](LIMITED), rng)
    for piece in PLAIN_STREAM:
        other.send(piece)
    for number in range(runs):
        attack = rng.choice((*BAD, *ANYTHING * len(BAD)))
        try:
            if rng.random() < PLAIN_PART:
                ended += attack_plain(rng)
            else:
                ended += attack_curve(Talk(connect, public, rng), attack, sealing)
            if number % SERVED_EACH == 0:
                assert neighbour.is_served(number), "a neighbour is not served"
                other.send(CANCEL_A + SUBSCRIBE_A)
                assert other.session.subscriptions == {b"A"}
        except BaseException as error:
            error.add_note(f"attack {number}: {attack.__name__}, or one on PLAIN")
            raise
    assert neighbour.peer.violation is other.violation is None
    return ended


def attack_curve(talk: Talk, attack: Callable[[Talk], End | None], sealing: Sealing) -> bool:
    """One attack; whether it was ended."""
    end = attack(talk)
    peer = talk.peer
    assert isinstance(peer, MemoryPeer)
    violation = peer.violation
    if end is not None:
        assert violation is not None, "it was not noticed"
        assert end.is_met(*fault_of(violation)), violation
    sealer = peer.session.sealer
    if sealer is not None:  # it is served as well
        send = sealing.under(sealer, NOTHING_KEPT)(len)
        send.let()
        assert send(MESSAGE) == len(MESSAGE)
    return violation is not None


def attack_plain(rng: Random) -> bool:
    """Faults in one step of the handshake, or in what follows it; whether it was ended."""
    peer = MemoryPeer(
        SESSIONS["zmtp+plain"](LIMITED), rng, rng.choice(("allow", "allow", "deny", "later"))
    )
    bad = rng.randrange(len(PLAIN_STREAM))
    for step, piece in enumerate(PLAIN_STREAM):
        peer.send(mutated(rng, piece) if step == bad else piece)
    return peer.violation is not None


def main() -> int:
    """Run so many attacks, and say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--runs", type=int, default=A_ROUND, help="attacks")
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    arguments = parser.parse_args()
    began, ended = time.monotonic(), 0
    for seed in range(arguments.seed, arguments.seed + -(-arguments.runs // A_ROUND)):
        try:
            ended += one_round(Random(seed))
        except BaseException:
            print(f"failed: python -m tests.faults.sessions_attacked --seed {seed}")
            raise
        done = (seed - arguments.seed + 1) * A_ROUND
        if done % 20_000 == 0:
            print(f"{done:,} of {arguments.runs:,}", flush=True)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{arguments.runs:,} attacks in {time.monotonic() - began:.0f} s, "
        f"{time.process_time():.0f} s of CPU, {most} MiB: {ended:,} were ended, all as they must be"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
