"""Metadata is read strictly."""

from __future__ import annotations

import pytest

from fanout.zmtp import RemoteProtocolError
from fanout.zmtp.metadata import PROPERTIES_MAX, WrongSocketTypeError, parse_metadata, ready
from tests.unit.zmtp.wire import READY_PUB, READY_SUB
from tests.unit.zmtp.wire import ready as ready_with

TYPES = frozenset({b"SUB", b"XSUB"})


def metadata(*properties: tuple[bytes, bytes]) -> bytes:
    """The bytes of these properties."""
    frame = ready_with(*properties)
    return frame[frame.index(b"READY") + 5 :]


def test_ready_is_what_libzmq_sends() -> None:
    assert ready(b"PUB") == READY_PUB
    assert ready(b"SUB") == READY_SUB


def test_names_are_lower_cased_values_kept() -> None:
    data = metadata((b"SOCKET-Type", b"SUB"), (b"X-App", b"\x00\xff"), (b"a.b_c+D-1", b""))
    expected = {"socket-type": b"SUB", "x-app": b"\x00\xff", "a.b_c+d-1": b""}
    assert parse_metadata(data, TYPES) == expected


def test_no_properties() -> None:
    assert parse_metadata(b"", TYPES) == {}


def test_first_of_equal_names_counts() -> None:
    data = metadata((b"X-a", b"1"), (b"x-A", b"2"))
    assert parse_metadata(data, TYPES) == {"x-a": b"1"}


@pytest.mark.parametrize(
    "data",
    [
        *(metadata((b"Socket-Type", b"SUB"))[:end] for end in range(1, 19)),
        metadata((b"Socket-Type", b"SUB")) + b"\x00",
        b"\x01a\x00\x00\x00\x02b",
        b"\x01a\x80\x00\x00\x00",
        b"\x01a\xff\xff\xff\xff",
        metadata((b"", b"")),
        metadata((b"a b", b"")),
        metadata((b"a\n", b"")),
        metadata((b"\xe4", b"")),
    ],
)
def test_malformed(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_metadata(data, TYPES)
    assert not isinstance(caught.value, WrongSocketTypeError)


@pytest.mark.parametrize("types", [[b"PUB"], [b"sub"], [b""], [b"SUB", b"PULL"]])
def test_wrong_socket_type(types: list[bytes]) -> None:
    with pytest.raises(WrongSocketTypeError, match=r'type ".*", and not SUB or XSUB'):
        parse_metadata(metadata(*((b"Socket-Type", name) for name in types)), TYPES)


@pytest.mark.parametrize("count", [PROPERTIES_MAX, PROPERTIES_MAX + 1])
def test_number_of_properties_is_bounded(count: int) -> None:
    data = metadata(*((b"X-%d" % index, b"") for index in range(count)))
    if count == PROPERTIES_MAX:
        assert len(parse_metadata(data, TYPES)) == count
    else:
        with pytest.raises(RemoteProtocolError, match="more than"):
            parse_metadata(data, TYPES)
