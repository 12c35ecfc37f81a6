"""Which topics strangers may name: prefixes that users give. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from fanout.errors import ConfigError
from fanout.terms.arguments import as_topic


def allowed_prefixes(allowed_topics: object, otherwise: str) -> tuple[bytes, ...] | None:
    """Prefixes of the topics that strangers may name, of an argument that is one or several.

    Args:
        otherwise: what it would mean if there were none.

    Returns:
        None = any.

    Raises:
        TypeError: it is none. ConfigError: there are none.
    """
    if allowed_topics is None:
        return None
    if isinstance(allowed_topics, str | bytes | bytearray | memoryview):
        allowed_topics = [allowed_topics]
    if not isinstance(allowed_topics, Iterable):
        kind = type(allowed_topics).__name__
        raise TypeError(f"allowed_topics must be one prefix or several, str or bytes, not {kind}")
    prefixes = tuple(as_topic(topic, "allowed_topics") for topic in allowed_topics)
    if not prefixes:
        raise ConfigError(f"allowed_topics is empty: {otherwise}; None allows all")
    return prefixes
