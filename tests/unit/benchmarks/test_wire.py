"""Dialects: what a message weighs is what its encoding has in bytes."""

from __future__ import annotations

import json

import pytest

from benchmarks.traffic import PROBE_TOPIC
from benchmarks.wire import DIALECTS, JETSTREAM_STREAM, JETSTREAM_SUBJECTS, resp_command
from fanout.options import Options
from fanout.workers.connections.sessions import limits_of
from fanout.zmtp import Session
from fanout.zmtp.boxes import SERVER_TEXT
from fanout.zmtp.frames import MORE
from fanout.zmtp.sealer import Sealer
from tests.helpers.boxes import KEY, NoBoxes

TOPIC = b"t0000000"
SIZES = [0, 1, 117, 118, 128, 255, 256, 4096, 65_527, 65_528, 70_000]


def _zmtp(payload: bytes) -> bytes:
    def frame(flags: int, body: bytes) -> bytes:
        if len(body) < 256:
            return bytes((flags, len(body))) + body
        return bytes((flags | 2,)) + len(body).to_bytes(8, "big") + body

    return frame(1, TOPIC) + frame(0, payload)


def _nats(payload: bytes) -> bytes:
    return b"MSG %b %05d %d\r\n%b\r\n" % (TOPIC, 7, len(payload), payload)


def _redis(payload: bytes) -> bytes:
    return resp_command(b"message", TOPIC, payload)


def _websocket(payload: bytes) -> bytes:
    body = TOPIC + payload
    if len(body) < 126:
        return bytes((0x82, len(body))) + body
    if len(body) < 65_536:
        return b"\x82\x7e" + len(body).to_bytes(2, "big") + body
    return b"\x82\x7f" + len(body).to_bytes(8, "big") + body


def _curve(payload: bytes) -> bytes:
    sealer = Sealer(NoBoxes(), KEY, SERVER_TEXT, 1)
    return sealer.seal(MORE, TOPIC) + sealer.seal(0, payload)


ENCODERS = {
    "zmtp": _zmtp,
    "zmtp-3.0": _zmtp,
    "curve": _curve,
    "tls": _zmtp,
    "nats": _nats,
    "nats-values": _nats,
    "redis": _redis,
    "redis-values": _redis,
    "websocket": _websocket,
    "plain": _zmtp,
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_message_weighs_what_its_encoding_has(dialect: str, size: int) -> None:
    encoded = ENCODERS[dialect](bytes(size))
    assert DIALECTS[dialect].message_bytes(len(TOPIC), size) == len(encoded)


def test_nats_subscriptions_have_ids_of_one_length_and_their_own() -> None:
    lines = DIALECTS["nats"].subscribe([b"a", b"b"]).splitlines()
    ids = [line.split()[-1] for line in lines]
    assert len(set(ids)) == len(ids) == 3  # two topics and the probe
    assert {len(each) for each in ids} == {5}


@pytest.mark.parametrize("dialect", ["zmtp", "zmtp-3.0"])
def test_a_session_reads_what_a_subscriber_of_it_says(dialect: str) -> None:
    """By commands in 3.1, and before that by messages."""
    spoken = DIALECTS[dialect]
    session = Session(limits_of(Options()))
    session.receive_data(spoken.hello)
    session.receive_data(spoken.subscribe([b"a", b"b"]))
    assert session.version == {"zmtp": "3.1"}.get(dialect, "3.0")
    assert session.subscriptions == {b"a", b"b", PROBE_TOPIC}
    assert (b"SUBSCRIBE" in spoken.subscribe([b"a"])) == (dialect == "zmtp")


def test_each_who_wants_last_messages_of_jetstream_has_a_consumer_of_its_own() -> None:
    inboxes = set()
    for _ in range(2):
        sub, pub, body = DIALECTS["nats-values"].subscribe([TOPIC]).decode().splitlines()
        _, inbox, _ = sub.split()
        asked = json.loads(body)
        assert pub == f"PUB $JS.API.CONSUMER.CREATE.{JETSTREAM_STREAM} {len(body)}"
        assert asked["config"]["deliver_subject"] == inbox
        assert asked["config"]["deliver_policy"] == "last_per_subject"
        assert asked["config"]["filter_subject"] == JETSTREAM_SUBJECTS
        inboxes.add(inbox)
    assert len(inboxes) == 2
