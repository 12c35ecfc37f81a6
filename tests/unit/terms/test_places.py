"""How many may be connected to one endpoint, and how many of one address."""

from __future__ import annotations

import pytest

from fanout.errors import ConfigError
from fanout.reasons import Reason
from fanout.terms.places import PerAddress, Places, limits_of, place_limits

HERE, THERE, OURS = "203.0.113.7:5", "198.51.100.2:5", "127.0.0.1:5"


def come(places: Places, peer: str, now: float = 0.0) -> Reason | None:
    """Why one more is refused; one that is not has entered."""
    refusal = places.refusal(peer, now)
    if refusal is None:
        places.enter(peer, now)
        return None
    return refusal.cause


def test_all_together_have_so_many() -> None:
    places = Places(limits_of(2, 2, 2, 500.0), "producers", "max_producers")
    assert [come(places, one) for one in (OURS, OURS, OURS)] == [None, None, Reason.FULL]
    refusal = places.refusal(HERE, 0.0)
    assert refusal is not None
    assert refusal.text == "2 producers are connected (max_producers)"
    places.left(OURS, half_open=True)
    assert come(places, HERE) is None


def test_one_address_has_half_of_them_and_half_of_that_in_handshakes() -> None:
    places = Places(limits_of(20, 0, 0, 500.0), "producers", "max_producers")
    assert [come(places, HERE) for _ in range(6)] == [None] * 5 + [Reason.ADDRESS_HALF_OPEN]
    for _ in range(5):
        places.connected(HERE)
        assert come(places, HERE) is None
    places.connected(HERE)
    assert come(places, HERE) is Reason.ADDRESS_FULL
    assert come(places, THERE) is None
    places.left(HERE, half_open=False)
    assert come(places, HERE) is None
    assert places.taken == 11


def test_this_machine_may_have_all() -> None:
    places = Places(limits_of(8, 1, 1, 0.1), "producers", "max_producers")
    assert {come(places, OURS) for _ in range(8)} == {None}


def test_a_limit_of_one_is_one() -> None:
    assert limits_of(1, 0, 0, 500.0) == (1, (1, 1, 500.0, "max_connections_per_address"))


def test_of_two_places_one_address_may_have_both() -> None:
    places = Places(limits_of(2, 0, 0, 500.0), "producers", "max_producers")
    assert [come(places, HERE) for _ in range(3)] == [None, None, Reason.FULL]


@pytest.mark.parametrize(
    ("most", "of_address", "error", "text"),
    [
        (0, PerAddress(), ConfigError, "max_askers=0 is not from 1 to 9"),
        (10, PerAddress(), ConfigError, "max_askers=10 is not from 1 to 9"),
        (True, PerAddress(), TypeError, "max_askers must be an int, not bool"),
        (9, PerAddress(connections=-1), ConfigError, "max_connections_per_address=-1 is not"),
        (9, PerAddress(half_open=10), ConfigError, "max_half_open_per_address=10 is not from 0"),
        (9, PerAddress(connects=0.0), ConfigError, "max_connects_per_address=0.0 is not from 0.1"),
        (9, PerAddress(connects=float("nan")), ConfigError, "max_connects_per_address=nan is"),
        (9, PerAddress(connects=True), TypeError, "max_connects_per_address must be a number"),
    ],
)
def test_what_cannot_be_is_refused(
    most: int, of_address: PerAddress, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        place_limits(most, of_address, "max_askers", 9)
