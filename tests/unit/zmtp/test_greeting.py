"""The greeting, stage by stage. What each peer's greeting leads to is in the corpus."""

from __future__ import annotations

import pytest

from fanout.zmtp import RemoteProtocolError
from fanout.zmtp.greeting import ROLES, Greeting, GreetingStage
from tests.unit.zmtp.wire import GREETING, REST, SIGNATURE


def start(role: bytes = b"PUB", *, allow_zmtp_1: bool = False) -> tuple[Greeting, bytearray]:
    output = bytearray()
    return Greeting(ROLES[role], output, allow_zmtp_1=allow_zmtp_1), output


def test_stages_of_a_zmtp_3_peer() -> None:
    greeting, output = start()
    assert output == SIGNATURE
    stages: list[GreetingStage] = []
    for byte in GREETING:
        assert greeting.receive(bytes((byte,))) == 1
        if not stages or stages[-1] is not greeting.stage:
            stages.append(greeting.stage)
    assert stages == [
        GreetingStage.SIGNATURE,
        GreetingStage.REVISION,
        GreetingStage.V3_REST,
        GreetingStage.DONE,
    ]
    assert output == SIGNATURE + b"\x03" + REST
    assert greeting.version == "3.1"


def test_what_follows_is_left_to_the_caller() -> None:
    greeting, _ = start()
    assert greeting.receive(GREETING + b"READY") == len(GREETING)
    assert greeting.receive(b"READY") == 0


def test_zmtp_2_sends_the_type_of_the_role() -> None:
    for name, number, peer, peer_name in [
        (b"PUB", 1, 2, b"SUB"),
        (b"XPUB", 9, 10, b"XSUB"),
        (b"SUB", 2, 1, b"PUB"),
        (b"XSUB", 10, 9, b"XPUB"),
        (b"PUSH", 8, 7, b"PULL"),
        (b"PULL", 7, 8, b"PUSH"),
        (b"REQ", 3, 6, b"ROUTER"),
        (b"REP", 4, 5, b"DEALER"),
        (b"DEALER", 5, 5, b"DEALER"),
        (b"ROUTER", 6, 3, b"REQ"),
    ]:
        greeting, output = start(name)
        assert greeting.receive(SIGNATURE + bytes((1, peer))) == 12
        assert output == SIGNATURE + bytes((3, number, 0, 0))
        assert (greeting.version, greeting.peer_type) == ("2.0", peer_name)


@pytest.mark.parametrize("name", ROLES)
def test_who_may_talk_to_whom_is_the_same_from_both_sides(name: bytes) -> None:
    numbers = {role.number: role.socket_type for role in ROLES.values()}
    role = ROLES[name]
    assert role.peer_types
    for number, peer in role.peers.items():
        assert numbers[number] == peer
        assert ROLES[peer].peers[role.number] == name


@pytest.mark.parametrize("number", [0, 1, 3, 8, 9, 11, 255])
def test_zmtp_2_refuses_types_that_do_not_subscribe(number: int) -> None:
    greeting, _ = start()
    with pytest.raises(RemoteProtocolError):
        greeting.receive(SIGNATURE + bytes((1, number)))


@pytest.mark.parametrize(
    ("major", "minor", "version"),
    [(2, 0, "3.0"), (2, 1, "3.1"), (3, 0, "3.0"), (3, 1, "3.1"), (3, 9, "3.1"), (4, 0, "3.1")],
)
def test_version(major: int, minor: int, version: str) -> None:
    greeting, _ = start()
    greeting.receive(SIGNATURE + bytes((major, minor)) + GREETING[12:])
    assert greeting.version == version


@pytest.mark.parametrize("last", [0x01, 0x7F, 0xFF, 0x81])
def test_only_bit_0_ends_the_signature(last: int) -> None:
    greeting, output = start()
    greeting.receive(SIGNATURE[:9] + bytes((last,)))
    assert greeting.stage is GreetingStage.REVISION
    assert output == SIGNATURE + b"\x03"


@pytest.mark.parametrize(
    "identity",
    ["0100", "03006d65", "ff 0000000000000001 00", "ff 0000000000000003 00 6d65"],
    ids=["anonymous", "short", "long anonymous", "long"],
)
def test_zmtp_1_identity(identity: str) -> None:
    greeting, output = start(allow_zmtp_1=True)
    data = bytes.fromhex(identity)
    assert greeting.receive(data[:-1]) == len(data) - 1
    assert greeting.stage is not GreetingStage.DONE
    assert greeting.receive(data[-1:] + b"rest") == 1
    assert greeting.version == "1.0"
    assert output == SIGNATURE
