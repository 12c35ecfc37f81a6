"""What a subscriber says of itself: what is taken, where it is used, and that nothing shows."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from zmq.utils import z85

from fanout import ConfigError
from fanout.security.clients import ClientSecurity, CurveClient, PlainClient, as_client
from fanout.security.curve import Curve
from fanout.zmtp import SubscriberSession
from tests.helpers.curve import new_keys

SERVER, OURS = new_keys(), new_keys()
PASSWORD = "geheim42"


def test_what_is_taken_for_it() -> None:
    plain = PlainClient("desk7", PASSWORD)
    assert as_client(plain) is plain
    assert as_client(None) is None
    wrong: Any
    for wrong in (Curve(SERVER.secret), "PLAIN", PlainClient):
        with pytest.raises(TypeError, match="security of a subscriber must be"):
            as_client(wrong)


def test_plain_stays_on_this_machine_unless_it_is_asked_for() -> None:
    PlainClient("desk7", PASSWORD).check_place("ipc://x", is_local=True)
    PlainClient("desk7", PASSWORD, on_network=True).check_place("tcp://x:1", is_local=False)
    with pytest.raises(ConfigError, match=r"at tcp://x:1.*on_network=True"):
        PlainClient("desk7", PASSWORD).check_place("tcp://x:1", is_local=False)


def test_each_connection_begins_anew() -> None:
    plain = PlainClient("desk7", PASSWORD)
    for _ in range(2):  # the first has forgotten the password when it has said it
        assert PASSWORD.encode() in plain.begin().begin(bytes)
    curve = CurveClient(SERVER.public, OURS.secret)
    hellos = {curve.begin().begin(bytes) for _ in range(2)}
    assert len(hellos) == 2
    assert SubscriberSession(mechanism=curve.begin()).our_mechanism == "CURVE"


def test_keys_in_all_their_forms() -> None:
    assert CurveClient(SERVER.public, OURS.secret).public_key == OURS.public
    raw = z85.decode(OURS.secret)
    assert CurveClient(SERVER.public.encode(), raw).public_key == OURS.public
    one, another = CurveClient(SERVER.public), CurveClient(SERVER.public)
    assert len({one.public_key, one.public_key, another.public_key}) == 2


@pytest.mark.parametrize(
    ("arguments", "name"),
    [((PASSWORD, OURS.secret), "server_key"), ((SERVER.public, PASSWORD), "secret_key")],
)
def test_what_is_no_key(arguments: tuple[str, str], name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is no key") as error:
        CurveClient(*arguments)
    assert PASSWORD not in str(error.value)


def test_a_server_key_that_nobody_can_have() -> None:
    nobody = CurveClient(bytes(32), OURS.secret)
    with pytest.raises(ConfigError, match=r"server_key, for tcp://x:1, is the public key of"):
        nobody.check_place("tcp://x:1", is_local=True)


@pytest.mark.parametrize("password", ["x" * 256, 17, None])
def test_what_is_no_password(password: Any) -> None:
    with pytest.raises(ConfigError, match="password is no text of 0 to 255 bytes") as error:
        PlainClient("desk7", password)
    assert "xx" not in str(error.value)


@pytest.mark.parametrize(
    "client", [PlainClient("desk7", PASSWORD), CurveClient(SERVER.public, OURS.secret)]
)
def test_nothing_secret_is_shown_or_pickled(client: ClientSecurity) -> None:
    shown = f"{client!r} {client}"
    assert PASSWORD not in shown
    assert OURS.secret not in shown
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(client)
    with pytest.raises(TypeError, match="not pickled"):
        copy.copy(client)
