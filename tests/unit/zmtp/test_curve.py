"""CURVE's server: a captured connection of a stock SUB, and everything that ends one."""

from __future__ import annotations

import pytest

from fanout.zmtp import (
    Cancelled,
    LocalProtocolError,
    Ready,
    Session,
    SessionState,
    Subscribed,
    VerdictWanted,
)
from fanout.zmtp.boxes import INITIATE_TEXT, VOUCH_TEXT, KeyPair
from fanout.zmtp.curve import CurveServer
from fanout.zmtp.errors import Refusal
from fanout.zmtp.mechanisms import Credentials
from tests.unit.zmtp import curve_vector as vector
from tests.unit.zmtp.secured import NACL, captured_server, flipped, given, pair, session
from tests.unit.zmtp.wire import GREETING as NULL_GREETING
from tests.unit.zmtp.wire import (
    SUBSCRIBE_A,
    drive,
    each_byte,
    long_frame,
)

STOCK_SUB = VerdictWanted(Credentials("CURVE", public_key=vector.CLIENT))
PROPERTIES = b"\x0bSocket-Type\x00\x00\x00\x03SUB"
LOW_ORDER = [bytes(32), b"\x01" + bytes(31)]


def asked() -> Session:
    """The captured session, when it waits for a verdict."""
    half = captured_server()
    outcome = drive(half, [vector.GREETING, vector.HELLO, vector.INITIATE])
    assert outcome.output == vector.OUR_GREETING + vector.WELCOME
    assert outcome.events == [STOCK_SUB]
    return half


def ready() -> Session:
    """The captured session in traffic, with nothing left to send."""
    half = asked()
    assert half.allow() == [Ready("3.1", {"socket-type": b"SUB"})]
    assert half.data_to_send() == vector.READY
    return half


def test_the_captured_connection_byte_by_byte() -> None:
    half = captured_server()
    outcome = drive(half, each_byte(vector.GREETING + vector.HELLO + vector.INITIATE))
    assert outcome.output == vector.OUR_GREETING + vector.WELCOME
    assert outcome.events == [STOCK_SUB]
    half.allow()
    assert half.data_to_send() == vector.READY
    outcome = drive(half, each_byte(vector.SUBSCRIBE_A + vector.CANCEL_A))
    assert outcome.events == [Subscribed(b"A"), Cancelled(b"A")]
    assert half.sealer is not None
    for flags, data, sealed in vector.SEALED:
        assert half.sealer.seal(flags, data) == sealed


def test_who_is_denied_is_told_so_in_clear() -> None:
    half = asked()
    half.deny()
    assert half.data_to_send() == bytes.fromhex("04 0a 05 4552524f52 03 343030")
    assert half.state is SessionState.CLOSED


@pytest.mark.parametrize("early", [vector.SUBSCRIBE_A, vector.SUBSCRIBE_A[:9], vector.INITIATE])
def test_nobody_speaks_before_the_verdict(early: bytes) -> None:
    half = asked()
    events = half.receive_data(early) or half.allow()
    assert [event.__class__.__name__ for event in events] == ["Violation"]
    assert half.data_to_send() == b""


def test_a_verdict_is_given_once() -> None:
    half = ready()
    for decide in (half.allow, half.deny):
        with pytest.raises(LocalProtocolError):
            decide()
    with pytest.raises(LocalProtocolError):
        CurveServer([vector.KEYS], NACL, given()).allow()


class TestHello:
    @pytest.mark.parametrize("at", [1, 2, 8, 9, *range(82, 202, 7), 201])
    def test_a_changed_one_is_not_answered(self, at: int) -> None:
        """Bytes 10 to 81 are padding, which nobody looks at; the last bit of C' is found later."""
        half = captured_server()
        outcome = drive(half, [vector.GREETING, flipped(vector.HELLO, at, 0x01)])
        if at == 1:  # its length: one more byte is awaited, or it is cut
            outcome.events += half.receive_data(bytes(2))
        assert outcome.violation is not None
        assert outcome.output == vector.OUR_GREETING

    def test_the_top_bit_of_its_key_is_found_by_the_vouch(self) -> None:
        half = captured_server()
        outcome = drive(half, [vector.GREETING, flipped(vector.HELLO, 82 + 31), vector.INITIATE])
        assert outcome.violation == "CURVE: INITIATE vouches for another connection"

    def test_another_key_of_ours(self) -> None:
        half = captured_server([pair(1), pair(2)])
        outcome = drive(half, [vector.GREETING, vector.HELLO])
        assert outcome.violation == "CURVE: a box of HELLO does not open"
        assert outcome.refusal is Refusal.KEY
        assert outcome.output == vector.OUR_GREETING

    def test_a_key_from_before_is_served_on(self) -> None:
        half = captured_server([pair(1), vector.KEYS])
        outcome = drive(half, [vector.GREETING, vector.HELLO, vector.INITIATE])
        assert outcome.events == [STOCK_SUB]

    @pytest.mark.parametrize("key", LOW_ORDER)
    def test_a_key_that_is_none(self, key: bytes) -> None:
        half = captured_server()
        hello = vector.HELLO[:82] + key + vector.HELLO[114:]
        outcome = drive(half, [vector.GREETING, hello])
        assert outcome.violation == "CURVE: a box of HELLO does not open"

    def test_a_counter_of_zero(self) -> None:
        half = captured_server()
        hello = vector.HELLO[:114] + bytes(8) + vector.HELLO[122:]
        outcome = drive(half, [vector.GREETING, hello])
        assert outcome.violation == "CURVE: the counter in HELLO does not rise"
        assert outcome.refusal is None

    def test_a_longer_one_need_not_come(self) -> None:
        half = captured_server()
        outcome = drive(half, [vector.GREETING, b"\x04\xc9"])
        assert outcome.violation is not None

    @pytest.mark.parametrize(
        "frame", [vector.INITIATE, vector.WELCOME, SUBSCRIBE_A, b"\x00\x00", vector.SUBSCRIBE_A]
    )
    def test_nothing_else_comes_first(self, frame: bytes) -> None:
        half = captured_server()
        outcome = drive(half, [vector.GREETING, frame])
        assert outcome.violation is not None
        assert outcome.output == vector.OUR_GREETING

    def test_null_is_not_served(self) -> None:
        outcome = drive(captured_server(), [NULL_GREETING])
        assert outcome.output == vector.OUR_GREETING
        assert outcome.violation == "the peer speaks NULL; this endpoint wants CURVE"


class TestInitiate:
    @pytest.mark.parametrize("at", [9, 10, *range(18, 276, 9), len(vector.INITIATE) - 1])
    def test_a_changed_one_is_not_judged(self, at: int) -> None:
        half = captured_server()
        initiate = flipped(vector.INITIATE, at, 0x01)
        outcome = drive(half, [vector.GREETING, vector.HELLO, initiate])
        assert outcome.violation is not None
        assert outcome.output == vector.OUR_GREETING + vector.WELCOME

    def test_hello_does_not_come_again(self) -> None:
        half = captured_server()
        outcome = drive(half, [vector.GREETING, vector.HELLO, vector.HELLO])
        assert outcome.violation is not None

    def test_one_that_is_cut(self) -> None:
        for size in (8, 100, 200, 240):
            half = captured_server()
            body = vector.INITIATE[9 : 9 + 9 + size]
            outcome = drive(half, [vector.GREETING, vector.HELLO, long_frame(body, 4)])
            assert outcome.violation is not None


SERVER, CLIENT, OTHER = pair(1), pair(2), pair(3)
TRANSIENT, SERVER_TRANSIENT = pair(4), pair(5)
COOKIE, TAIL = b"c" * 96, b"t" * 16


def hello(inside: bytes = bytes(64)) -> bytes:
    """A HELLO of TRANSIENT to SERVER."""
    short = (1).to_bytes(8, "big")
    key = NACL.shared(SERVER.public, TRANSIENT.secret)
    box = NACL.seal(inside, b"CurveZMQHELLO---" + short, key)
    return b"\x04\xc8\x05HELLO\x01\x00" + bytes(72) + TRANSIENT.public + short + box


def initiate(
    *,
    cookie: bytes = COOKIE,
    count: int = 2,
    key: bytes = CLIENT.public,
    voucher: KeyPair = CLIENT,
    vouched: bytes = TRANSIENT.public + SERVER.public,
    metadata: bytes = PROPERTIES,
) -> bytes:
    """What follows it, or does not."""
    vouch_key = NACL.shared(SERVER_TRANSIENT.public, voucher.secret)
    vouch = TAIL + NACL.seal(vouched, VOUCH_TEXT + TAIL, vouch_key)
    short = count.to_bytes(8, "big")
    connection = NACL.shared(SERVER_TRANSIENT.public, TRANSIENT.secret)
    box = NACL.seal(key + vouch + metadata, INITIATE_TEXT + short, connection)
    return long_frame(b"\x08INITIATE" + cookie + short + box, 4)


def judged(frame: bytes) -> object:
    """What comes of it: the event that it leads to, or why the connection ends."""
    randomness = given(SERVER_TRANSIENT.secret, COOKIE, TAIL)
    half = session(CurveServer([SERVER], NACL, randomness))
    outcome = drive(half, [vector.GREETING, hello(), frame])
    return outcome.violation or outcome.events[-1]


def test_an_initiate_that_we_made() -> None:
    wanted = VerdictWanted(Credentials("CURVE", public_key=CLIENT.public))
    assert judged(initiate()) == wanted
    assert judged(initiate(count=9)) == wanted  # gaps are no fault


def test_a_vouch_is_for_this_connection_and_this_server_by_this_client() -> None:
    wrong = "CURVE: INITIATE vouches for another connection"
    assert judged(initiate(vouched=OTHER.public + SERVER.public)) == wrong
    assert judged(initiate(vouched=TRANSIENT.public + OTHER.public)) == wrong
    top = flipped(TRANSIENT.public, 31)
    assert judged(initiate(vouched=top + SERVER.public)) == wrong
    forged = "CURVE: a box of INITIATE does not open"
    assert judged(initiate(key=OTHER.public)) == forged  # somebody's public key, not its secret
    assert judged(initiate(voucher=OTHER)) == forged
    for key in LOW_ORDER:
        assert judged(initiate(key=key)) == forged


def test_a_hello_with_anything_else_in_it() -> None:
    for inside in (b"\x01" + bytes(63), bytes(63) + b"\x01"):
        half = session(CurveServer([SERVER], NACL, given()))
        outcome = drive(half, [vector.GREETING, hello(inside)])
        assert outcome.violation == "CURVE: a box of HELLO does not open"


def test_cookie_and_counter_of_an_initiate() -> None:
    assert judged(initiate(cookie=b"d" * 96)) == "CURVE: INITIATE has another cookie"
    assert judged(initiate(count=1)) == "CURVE: the counter in INITIATE does not rise"


def test_its_properties_are_read_as_strictly_as_ever() -> None:
    assert "ends inside" in str(judged(initiate(metadata=PROPERTIES[:-1])))
    assert "REQ" in str(judged(initiate(metadata=PROPERTIES[:-3] + b"REQ")))


def test_traffic_in_clear_ends_it() -> None:
    half = ready()
    outcome = drive(half, [vector.SUBSCRIBE_A + SUBSCRIBE_A])
    assert outcome.violation == "CURVE: a frame that is no MESSAGE"
    assert half.opener is None
    assert half.sealer is None


def test_nothing_secret_is_shown() -> None:
    shown = repr(vector.KEYS) + repr(CurveServer([vector.KEYS], NACL, given()))
    assert vector.KEYS.secret.hex() not in shown
    assert repr(vector.KEYS.secret) not in shown
