"""Control messages: what is no message of ours is refused by name; what is too long is split.

`tests/property/test_control.py` has any messages go there and back, and any garbage.
"""

from __future__ import annotations

from typing import get_args

import msgpack
import pytest

from fanout.basics.records import fields_of
from fanout.control import conduct, judging, leftovers, rights, takeover
from fanout.control import messages as control
from fanout.control.messages import (
    PACKET_BYTES_MAX,
    ControlError,
    Message,
    Subscriptions,
    decode,
    descriptors_with,
    encode,
    pack,
)
from fanout.control.splitting import SUBSCRIPTIONS_PER_PACKET_BYTES, split_subscriptions

HEADER_BYTES = 4  # that are counted for each prefix
SECRET = [b"s" * 32]
MESSAGES: list[Message] = [
    control.Hello(1, 2, {"workers": 3, "name": "n", "send_timeout": 0.5, "allow_zmtp_1": True}),
    control.Started(1),
    control.Adopt(1, 2, "zmtp", 5),
    control.Connected(1, "3.1"),
    Subscriptions(1, 2, [b"", b"added"], [b"cancelled"]),
    control.Closed(1, True, 49, "in words", 5, 4, 3, 2, 1, debt=7),
    control.Slow(1, False, 2, "in words", True),
    conduct.Throttled(1),
    conduct.ReadsOn(1),
    control.Chose(1, "desk7", {"action": "conflate", "limit_age": 2.5}),
    control.Declined(1, "in words"),
    control.KeyframeWanted([b"", b"topic"]),
    control.SetPolicy(1, {"action": "block", "limit_bytes": 5}, True),
    control.Evict(1, 14, "in words"),
    control.WriteSlots(1),
    control.SlotsWritten(1),
    control.Finish(1.5, 2.5),
    takeover.Wants(1, 2, [b"", b"added"], [b"cancelled"]),
    takeover.Resume(1, 2, "zmtp", "3.1", {"action": "block", "limit_bytes": 5}, 7, boxes=SECRET),
    takeover.Resumed(1, False, "in words"),
    takeover.Release(1, 2),
    takeover.Released(1, False, "in words", 7, SECRET),
    judging.AuthRequest(1, "PLAIN", [b"desk7", b"geheim"]),
    judging.Judged(1, 2, "in words"),
    judging.Secure("zmtp+curve#1", SECRET),
    judging.Forget("zmtp+curve#1"),
    rights.Permit(1, 2, False, [b"", b"prefix"]),
    rights.Permitted(1, 2),
    rights.Asked(1, [b"added"], [b"cancelled"]),
    rights.Refused(1, 2, [b"example"]),
    rights.Rights(1, 2, True, []),
    rights.Asks(1, [b"prefix"]),
    leftovers.LeftFile([b"/run/feed.sock", b"1 2 3", b""], True),
]
NAMES = [type(message).__name__ for message in MESSAGES]


def garbage(value: object) -> bytes:
    encoded: bytes = msgpack.packb(value, use_bin_type=True)
    return encoded


def test_every_kind_is_here_and_has_a_number_of_its_own() -> None:
    assert {type(message) for message in MESSAGES} == set(get_args(Message))
    assert len({message.code for message in MESSAGES}) == len(MESSAGES)


@pytest.mark.parametrize("message", MESSAGES, ids=NAMES)
def test_a_message_comes_back_as_it_was(message: Message) -> None:
    (decoded,) = decode(pack([encode(message)]))

    assert decoded == message
    kinds = [type(getattr(decoded, name)) for name in fields_of(type(decoded))]
    assert kinds == [type(getattr(message, name)) for name in fields_of(type(message))]


@pytest.mark.parametrize("count", [0, 1, 15, 16, 1 << 16])
def test_a_packet_has_any_number_of_messages(count: int) -> None:
    """The header of the list grows with it."""
    assert decode(pack([encode(control.WriteSlots(1))] * count)) == [control.WriteSlots(1)] * count


@pytest.mark.parametrize("message", MESSAGES, ids=NAMES)
def test_nothing_secret_is_in_its_text(message: Message) -> None:
    assert SECRET[0].decode() not in repr(message)
    assert str(message) == repr(message)


def test_descriptors_travel_with_three_kinds() -> None:
    with_some = {
        name: count
        for name, message in zip(NAMES, MESSAGES, strict=True)
        if (count := descriptors_with(message))
    }

    assert with_some == {"Hello": 3, "Adopt": 1, "Resume": 1}


def test_a_message_may_fill_a_packet_and_be_no_larger() -> None:
    """Five bytes of which are for the header of the list."""
    overhead = len(encode(control.Connected(1, "x" * (1 << 16)))) - (1 << 16)
    most = PACKET_BYTES_MAX - 5 - overhead

    assert len(encode(control.Connected(1, "x" * most))) == PACKET_BYTES_MAX - 5
    with pytest.raises(ControlError, match=f"Connected of {PACKET_BYTES_MAX - 4:,} bytes"):
        encode(control.Connected(1, "x" * (most + 1)))


BAD: dict[str, tuple[bytes, str]] = {
    "no msgpack": (b"\xc1", "not a control packet"),
    "nothing": (b"", "not a control packet"),
    "more behind it": (pack([encode(control.WriteSlots(1))]) + b"\0", "not a control packet"),
    "no list": (garbage({}), "a control packet is a list of messages"),
    "no message": (garbage([7]), "not a control message: its code is None"),
    "an empty one": (garbage([[]]), "not a control message"),
    "no such code": (garbage([[99, 1]]), "not a control message"),
    "code of a wrong type": (garbage([["8", 1]]), "not a control message"),
    "code that cannot be looked up": (garbage([[[8], 1]]), "not a control message"),
    "a field too few": (garbage([[8]]), "WriteSlots with 0 fields, not 1"),
    "a field too many": (garbage([[8, 1, 2]]), "WriteSlots with 2 fields, not 1"),
    "int": (garbage([[8, "1"]]), "WriteSlots.token is of type str, not int"),
    "int, a bool": (garbage([[8, True]]), "WriteSlots.token is of type bool, not int"),
    "int, less than nothing": (garbage([[7, 1, True, -4, "", False]]), "Slow.dropped is -4"),
    "int, too large to be added": (garbage([[8, (1 << 56) + 1]]), "WriteSlots.token is 72"),
    "bool": (garbage([[7, 1, 0, 2, "", False]]), "Slow.recovered is of type int, not bool"),
    "float": (garbage([[10, "1", 0.0]]), "Finish.timeout is of type str, not float"),
    "float, a bool": (garbage([[10, True, 0.0]]), "Finish.timeout is of type bool, not float"),
    "str": (garbage([[4, 1, b"3.1"]]), "Connected.version is of type bytes, not str"),
    "prefixes": (garbage([[5, 1, 2, ["text"], []]]), "Subscriptions.added is"),
    "no list of them": (garbage([[5, 1, 2, [], b""]]), "Subscriptions.cancelled is of type bytes"),
    "options": (garbage([[1, 1, 2, []]]), "Hello.options is"),
    "names of options": (garbage([[1, 1, 2, {1: 2}]]), "not a control packet"),
}


def test_a_password_is_in_no_text() -> None:
    """Neither of a message, nor of the error about one that cannot be."""
    secret = judging.AuthRequest(1, "PLAIN", [b"desk7", b"geheim"])
    assert repr(secret) == "AuthRequest(1, 'PLAIN')"
    encoded = pack([encode(secret)])
    for packet in (encoded[:-1], encoded + b"\0", garbage([[21, 1, "PLAIN", "geheim"]])):
        with pytest.raises(control.ControlError) as error:
            decode(packet)
        assert "geheim" not in str(error.value)
        assert "geheim" not in str(error.value.__cause__)


@pytest.mark.parametrize(("packet", "text"), BAD.values(), ids=BAD)
def test_what_is_not_ours_is_refused_by_name(packet: bytes, text: str) -> None:
    with pytest.raises(ControlError) as caught:
        decode(packet)

    assert text in str(caught.value)


def test_one_bad_message_spoils_its_packet() -> None:
    good = encode(control.WriteSlots(1))

    with pytest.raises(ControlError):
        decode(pack([good, garbage([99]), good]))


def test_a_timeout_may_be_a_whole_number() -> None:
    assert decode(garbage([[10, 2, 0]])) == [control.Finish(2, 0)]


# -------------------------------------------------------------- subscriptions


def split(*sizes: int, cancelled: tuple[bytes, ...] = ()) -> list[tuple[list[int], list[int]]]:
    """The sizes of what is added and cancelled in each report."""
    added = [b"x" * size for size in sizes]
    reports = split_subscriptions(7, 99, added, list(cancelled))
    assert {(report.subscriber, report.sequence) for report in reports} == {(7, 99)}
    return [(list(map(len, one.added)), list(map(len, one.cancelled))) for one in reports]


def test_a_change_is_one_report() -> None:
    assert split_subscriptions(7, 99, [b"a", b"b"], [b"c"]) == [
        Subscriptions(7, 99, [b"a", b"b"], [b"c"])
    ]


def test_no_change_is_a_report_too() -> None:
    assert split_subscriptions(7, 99, [], []) == [Subscriptions(7, 99, [], [])]


def test_a_report_is_filled_up_to_its_limit() -> None:
    half = SUBSCRIPTIONS_PER_PACKET_BYTES // 2

    assert split(half, half - HEADER_BYTES) == [([half, half - HEADER_BYTES], [])]
    assert split(half, half - HEADER_BYTES + 1) == [([half], []), ([half - HEADER_BYTES + 1], [])]


def test_one_that_is_longer_than_that_is_alone_in_its_report() -> None:
    longer = SUBSCRIPTIONS_PER_PACKET_BYTES + 1

    assert split(longer) == [([longer], [])]
    assert split(1, longer, 1) == [([1], []), ([longer], []), ([1], [])]


def test_empty_prefixes_take_room_too() -> None:
    most = SUBSCRIPTIONS_PER_PACKET_BYTES // HEADER_BYTES
    (first, _), (second, _) = split(*[0] * (most + 2))

    assert (len(first), len(second)) == (most + 1, 1)


def test_cancellations_come_first() -> None:
    """Whoever applies them in turn never has more than the subscriber ever had."""
    size = SUBSCRIPTIONS_PER_PACKET_BYTES - HEADER_BYTES

    assert split(size, 1, cancelled=(b"xx", b"x" * size)) == [
        ([], [2]),
        ([], [size]),
        ([size], []),
        ([1], []),
    ]
