"""What a subscriber can connect to."""

from __future__ import annotations

import pytest

from fanout.errors import ConfigError
from fanout.security.clients import CurveClient, PlainClient
from fanout.security.tls_client import TlsClient
from fanout.subscriber.settings import endpoint_of, prefixes_of, settings_of, wrappings_of
from fanout.transport.endpoints import parse_endpoint
from tests.helpers.certificates import AUTHORITY
from tests.helpers.curve import new_keys

TLS, TCP = "tls://localhost:1", "tcp://localhost:1"
OURS = TlsClient(ca=AUTHORITY)


@pytest.mark.parametrize("endpoint", ["tcp://*:1", "tcp://127.0.0.1:*", "tcp://h:0", "ipc://*"])
def test_a_subscriber_cannot_connect_to_everywhere(endpoint: str) -> None:
    with pytest.raises(ConfigError):
        endpoint_of(endpoint)


def test_the_examples_are_such_as_one_can_connect_to() -> None:
    with pytest.raises(ConfigError, match=r"tcp://127\.0\.0\.1:5556") as refusal:
        endpoint_of("tcp://127.0.0.1")
    assert "*" not in str(refusal.value)


def wraps(tls: object, *texts: str) -> list[bool]:
    """Which of these endpoints have TLS."""
    endpoints = [parse_endpoint(text, may_encrypt=True) for text in texts]
    return [made is not None for made in wrappings_of(tls, texts, endpoints)]


def test_endpoints_have_tls_by_their_names() -> None:
    assert wraps(None, TCP, "ipc://x") == [False, False]
    assert wraps(None, TLS, TCP) == [True, False]
    assert wraps(OURS, TLS, TCP, "ipc://x") == [True, False, False]
    assert wraps({TLS: OURS, TCP: None}, TLS, TCP) == [True, False]
    assert wraps({TLS: None}, TLS) == [True]


@pytest.mark.parametrize(
    ("tls", "texts", "text"),
    [
        (OURS, [TCP], "not for 'tcp://localhost:1'"),
        (OURS, [TCP, "ipc://x"], "begin with tls://, and there is none"),
        ({TLS: OURS, TCP: OURS}, [TLS, TCP], "not for 'tcp://localhost:1'"),
        ({TLS: OURS}, [TLS, TCP], "tls by endpoint names each of them"),
        (OURS, ["tls://a..b:1"], "the host name 'a..b' has an empty part"),
    ],
)
def test_where_tls_is_of_no_use(tls: object, texts: list[str], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        wraps(tls, *texts)


def test_what_is_no_tls() -> None:
    with pytest.raises(TypeError, match=r"fanout\.auth\.TlsClient"):
        wraps(True, TLS)


def test_what_is_said_inside_of_tls() -> None:
    """A password may be said there to other machines; CURVE would be twice the same."""
    user = PlainClient("desk7", "x")
    endpoint = "tls://feed.example:1"
    assert settings_of(endpoint, b"", {"security": user}).mechanisms[0] is not None
    with pytest.raises(ConfigError, match="CURVE inside would encrypt all of it twice"):
        settings_of(endpoint, b"", {"security": CurveClient(new_keys().public)})


def test_others_that_connect_have_no_tls() -> None:
    with pytest.raises(ConfigError, match="tls:// is for a publisher's feed and its subscribers"):
        endpoint_of(TLS)


def test_topics_of_a_wrong_type_are_named() -> None:
    with pytest.raises(TypeError, match=r"topics must be a str or bytes, or several .* not int"):
        prefixes_of(5)  # type: ignore[arg-type]
