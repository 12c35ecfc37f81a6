"""What users pass, checked: each refusal names the argument and what it must be. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

LONGEST_WAIT = 1e9  # seconds, 31 years: any clock, join, poll or timer can still count so far

Bytes: TypeAlias = bytes | bytearray | memoryview
TopicLike: TypeAlias = bytes | bytearray | memoryview | str


def as_bytes(value: object, name: str) -> bytes:
    """The bytes of an argument.

    Raises:
        TypeError: it is not bytes, bytearray or memoryview; the text names the argument.
    """
    if isinstance(value, bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    hint = ": encode it first" if isinstance(value, str) else ""
    raise TypeError(
        f"{name} must be bytes, bytearray or memoryview, not {type(value).__name__}{hint}"
    )


def as_topic(value: object, name: str = "topic") -> bytes:
    """The bytes of a topic; `str` is encoded as UTF-8.

    Raises:
        TypeError: it is none of str, bytes, bytearray, memoryview.
    """
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise TypeError(
        f"{name} must be str, bytes, bytearray or memoryview, not {type(value).__name__}"
    )


def as_topic_or_any(value: object) -> bytes | None:
    """The bytes of a topic, None if any will do; see `as_topic`."""
    return None if value is None else as_topic(value)


def as_endpoints(value: object) -> tuple[str, ...]:
    """The endpoints of an argument that may be none, one or several.

    Raises:
        TypeError: it is none of them.
    """
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, bytes) or not isinstance(value, Iterable):
        kind = type(value).__name__
        raise TypeError(f"endpoint must be a str, or several of them in a list, not {kind}")
    return tuple(value)


def check_callback(on_event: object) -> None:
    """Refuse an `on_event` that cannot be called.

    Raises:
        TypeError: it is neither None nor callable.
    """
    if on_event is not None and not callable(on_event):
        raise TypeError(f"on_event must be callable, not {type(on_event).__name__}")


def as_timeout(timeout: object, none: str = "for ever") -> float | None:
    """The seconds of an argument that says how long to wait; None stays None.

    Infinity and other times beyond `LONGEST_WAIT` are that one, which the system can wait for.

    Args:
        none: what None means there.

    Raises:
        TypeError: it is neither None nor a number.
        ValueError: it is below 0, or not a number of the kind that one can wait for (NaN).
    """
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        kind = type(timeout).__name__
        raise TypeError(f"timeout must be a number of seconds or None, not {kind}")
    if timeout != timeout:
        raise ValueError("timeout must be a number of seconds or None, not NaN")
    if timeout < 0:
        raise ValueError(
            f"timeout must be 0 or more, or None {none}; "
            "a negative one, which waits for ever in pyzmq, means nothing here"
        )
    return min(timeout, LONGEST_WAIT)


def check_count(count: object) -> None:
    """Refuse what is no number of subscribers.

    Raises:
        TypeError: it is not a whole number.
        ValueError: it is below 0.
    """
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"count must be a whole number, not {type(count).__name__}")
    if count < 0:
        raise ValueError(f"count must be 0 or more, not {count}")
