"""What a subscriber is made of, as its user says it, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from fanout.errors import ConfigError
from fanout.security.clients import as_client
from fanout.subscriber.arguments import SubscriberArguments
from fanout.subscriber.changes import TOPICS_MAX
from fanout.subscriber.inbox import QUEUE_BYTES, QueuePolicy
from fanout.subscriber.parsing import MESSAGE_BYTES_MAX
from fanout.subscriber.refusals import unknown_keyword
from fanout.subscriber.since import since_of
from fanout.subscriber.telling import Telling
from fanout.terms.arguments import as_topic, did_you_mean, read_size, shown
from fanout.transport.endpoints import (
    ANY,
    Endpoint,
    IpcEndpoint,
    TcpEndpoint,
    for_connecting,
    parse_endpoint,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fanout.security.records import TlsRecords
    from fanout.subscriber.message import Message
    from fanout.subscriber.since import Position
    from fanout.terms.arguments import TopicLike
    from fanout.zmtp.mechanisms import Mechanism

ENDPOINTS_MAX = 64  # each has a socket, and is asked in each turn
QUEUE_BYTES_MIN = 64 * 1024  # below that one read would fill it
MESSAGE_BYTES_MIN = 1024
SIZE_MAX = 1 << 40  # catches a wrong unit
_POLICIES = get_args(QueuePolicy)


@dataclass(frozen=True, slots=True)
class Settings:
    """All that both faces of the subscriber take."""

    endpoints: tuple[Endpoint, ...]
    topics: frozenset[bytes]
    queue_bytes: int
    queue_policy: QueuePolicy
    max_message_bytes: int
    since: bytes | Position
    last: bool
    identity: Callable[[Message], Any] | None
    tell: Telling
    """Told of each event, on the thread that reads."""

    mechanisms: tuple[Callable[[], Mechanism] | None, ...]
    """What makes our side of the handshake, for each endpoint; None = NULL."""

    wrappings: tuple[Callable[[], TlsRecords] | None, ...]
    """What makes TLS for each connection, for each endpoint; None = it has none."""


def settings_of(
    endpoint: str | Iterable[str],
    topics: TopicLike | Iterable[TopicLike],
    keywords: SubscriberArguments,
) -> Settings:
    """Check what a user has given.

    Raises:
        TypeError: an argument is of a wrong type, or there is none of that name.
        ConfigError: one cannot work.
    """
    for name in keywords:
        if name not in SubscriberArguments.__annotations__:
            raise TypeError(unknown_keyword(name, SubscriberArguments.__annotations__))
    queue_policy = keywords.get("queue_policy", "block")
    given: object = endpoint
    if not isinstance(given, Iterable) or isinstance(given, bytes):
        raise TypeError(f"an endpoint must be a str, or several, not {type(given).__name__}")
    texts = [endpoint] if isinstance(endpoint, str) else list(endpoint)
    if not texts or len(texts) > ENDPOINTS_MAX:
        raise ConfigError(f"a subscriber has 1 to {ENDPOINTS_MAX} endpoints, not {len(texts)}")
    if queue_policy not in _POLICIES:
        choices = ", ".join(map(repr, _POLICIES))
        hint = did_you_mean(queue_policy, _POLICIES)
        raise ConfigError(f"queue_policy must be one of {choices}, not {shown(queue_policy)}{hint}")
    prefixes = prefixes_of(topics)
    endpoints = tuple(endpoint_of(text, may_encrypt=True) for text in texts)
    return Settings(
        endpoints,
        prefixes,
        _size("queue_bytes", keywords.get("queue_bytes", QUEUE_BYTES), QUEUE_BYTES_MIN),
        queue_policy,
        _size(
            "max_message_bytes",
            keywords.get("max_message_bytes", MESSAGE_BYTES_MAX),
            MESSAGE_BYTES_MIN,
        ),
        since_of(keywords.get("since")),
        _flag("last", keywords.get("last", True)),
        _identity(keywords.get("identity")),
        Telling(keywords.get("on_event")),
        mechanisms_of(keywords.get("security"), texts, endpoints),
        wrappings_of(keywords.get("tls"), texts, endpoints),
    )


def mechanisms_of(
    security: object, texts: Sequence[str], endpoints: Sequence[Endpoint]
) -> tuple[Callable[[], Mechanism] | None, ...]:
    """What makes our side of the handshake, for each endpoint.

    Args:
        security: for all, or for each by the text of the endpoint, as it is in `texts`.

    Raises:
        TypeError: it is none.
        ConfigError: it cannot be used there, or is not said for each endpoint.
    """
    each = _by_endpoint("security", security, texts, "one that asks nobody")
    made: list[Callable[[], Mechanism] | None] = []
    for text, endpoint in zip(texts, endpoints, strict=True):
        client = as_client(each[text])
        if client is not None:
            is_local = isinstance(endpoint, IpcEndpoint) or endpoint.is_local
            client.check_place(text, is_local=is_local, by_tls=endpoint.is_encrypted)
        made.append(None if client is None else client.begin)
    return tuple(made)


def wrappings_of(
    tls: object, texts: Sequence[str], endpoints: Sequence[Endpoint]
) -> tuple[Callable[[], TlsRecords] | None, ...]:
    """What makes TLS for each connection, for each endpoint.

    Args:
        tls: for all that are `tls://`, or for each by the text of the endpoint; None there = with
            what this machine trusts.

    Raises:
        TypeError: it is none.
        ConfigError: it cannot be used there, or is not said for each endpoint.
    """
    if tls is None and not any(endpoint.is_encrypted for endpoint in endpoints):
        return (None,) * len(endpoints)
    from fanout.security.tls_client import as_tls_client  # some ms: seldom needed

    each = _by_endpoint("tls", tls, texts, "one that is not tls://")
    clients = {id(given): as_tls_client(given) for given in each.values()}
    made: list[Callable[[], TlsRecords] | None] = []
    for text, endpoint in zip(texts, endpoints, strict=True):
        if isinstance(endpoint, TcpEndpoint) and endpoint.is_encrypted:
            made.append(clients[id(each[text])].wrapping(endpoint.host))
            continue
        made.append(None)
        if each[text] is not None and (isinstance(tls, Mapping) or len(texts) == 1):
            raise ConfigError(f"tls is for endpoints that begin with tls://, and not for {text!r}")
    if not any(made):
        raise ConfigError("tls is for endpoints that begin with tls://, and there is none")
    return tuple(made)


def _by_endpoint(name: str, given: object, texts: Sequence[str], without: str) -> dict[str, object]:
    """What is given for each endpoint.

    Args:
        given: for all, or for each by its text.
        without: which endpoints have None.

    Raises:
        ConfigError: it is not said for each.
    """
    each = dict(given) if isinstance(given, Mapping) else dict.fromkeys(texts, given)
    if each.keys() != set(texts):  # to take NULL for one that is misspelled would not be safe
        wrong = ", ".join(sorted(shown(text) for text in each.keys() ^ set(texts)))
        raise ConfigError(
            f"{name} by endpoint names each of them as it is given, with None for {without}: see "
            f"{wrong}"
        )
    return each


def _flag(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ConfigError(f"{name} must be True or False, not {shown(value)}")


def endpoint_of(text: str, *, may_encrypt: bool = False) -> Endpoint:
    """Read an endpoint that can be connected to.

    Args:
        may_encrypt: take `tls://`, too.

    Raises:
        ConfigError: not an endpoint, or one that only makes sense for binding.
    """
    if not isinstance(text, str):
        raise TypeError(f"an endpoint must be a str, not {type(text).__name__}")
    try:
        target = parse_endpoint(text, may_encrypt=may_encrypt)
    except ConfigError as error:
        raise ConfigError(for_connecting(str(error))) from None
    if isinstance(target, TcpEndpoint):
        is_open = target.host == ANY or target.port == 0
    else:
        is_open = target.is_fresh
    if is_open:
        raise ConfigError(f"{text!r} is for binding: say where to connect to")
    return target


def prefixes_of(topics: TopicLike | Iterable[TopicLike]) -> frozenset[bytes]:
    """One topic or several, as bytes.

    Raises:
        TypeError: it is neither. ConfigError: they are too many.
    """
    if isinstance(topics, str | bytes | bytearray | memoryview):
        topics = [topics]
    if not isinstance(topics, Iterable):
        kind = type(topics).__name__
        raise TypeError(f"topics must be a str or bytes, or several of them in a list, not {kind}")
    prefixes = frozenset(as_topic(topic) for topic in topics)
    if len(prefixes) > TOPICS_MAX:
        raise ConfigError(f"a subscriber has up to {TOPICS_MAX:,} topics, not {len(prefixes):,}")
    return prefixes


def _identity(identity: object) -> Callable[[Message], Any] | None:
    if identity is not None and not callable(identity):
        raise TypeError(f"identity must be callable, not {type(identity).__name__}")
    return identity


def _size(name: str, value: int | str, least: int) -> int:
    size = read_size(value) if isinstance(value, str) else value
    if isinstance(size, bool) or not isinstance(size, int):
        raise ConfigError(
            f"{name} must be a number of bytes, or a size as '64M', not {shown(value)}"
        )
    if not least <= size <= SIZE_MAX:
        raise ConfigError(f"{name} must be {least:,} to {SIZE_MAX:,} bytes, not {shown(value)}")
    return size
