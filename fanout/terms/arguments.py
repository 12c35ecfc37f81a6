"""What users pass, checked: each refusal names the argument and what it must be. Pure."""

from __future__ import annotations

import inspect  # not its functions: a worker has use for none of them, and does without
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from enum import Enum
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from typing_extensions import Buffer  # not needed when it runs

LONGEST_WAIT = 1e9  # seconds, 31 years: any clock, join, poll or timer can still count so far
PORT_MAX = 65_535  # of TCP

SHOWN_MAX = 160  # characters of a wrong value in the sentence that refuses it
WORD_MAX = 40  # characters of a word that similar ones are looked for: it takes their square

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE | re.ASCII)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}

# Any buffer that is in one piece: bytes, an array, a frame of pyzmq.
Bytes: TypeAlias = "Buffer"
TopicLike: TypeAlias = "Buffer | str"
T = TypeVar("T")


def shown(value: object) -> str:
    """A wrong value as a sentence about it shows it, however long it is; numbers with commas."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        text = f"{value:,}" if is_number else repr(value)
    except ValueError:  # Python writes no whole number out that has more than 4,300 digits
        return "a number of thousands of digits"
    if len(text) <= SHOWN_MAX:
        return text
    return f"{text[:SHOWN_MAX]}… ({len(text):,} characters)"


def did_you_mean(word: object, known: Iterable[str], otherwise: str = "") -> str:
    """What to add to a sentence that refuses a word, if it is like one of those that there are.

    Args:
        otherwise: what to add if it is like none.
    """
    if not isinstance(word, str) or len(word) > WORD_MAX:
        return otherwise
    from difflib import get_close_matches  # seldom needed

    similar = get_close_matches(word.lower().replace("-", "_"), known, n=1)
    return f"; did you mean {similar[0]!r}?" if similar else otherwise


def refuse_unknown_fields(kind: type[T]) -> type[T]:
    """Have a dataclass say which field is meant, if it is made with one that it has not.

    A keyword that it has not is a `TypeError`, as ever.
    """
    make = kind.__init__
    known = [one.name for one in fields(kind)]  # type: ignore[arg-type]  # it is a dataclass

    @wraps(make)
    def checked(self: T, *args: Any, **keywords: Any) -> None:
        for name in keywords:
            if name not in known:
                hint = did_you_mean(name, known, f": it has {', '.join(known)}")
                raise TypeError(f"{kind.__name__} has no {name!r}{hint}")
        make(self, *args, **keywords)

    kind.__init__ = checked  # type: ignore[assignment]  # with the same signature
    return kind


def as_bytes(value: object, name: str) -> bytes:
    """The bytes of an argument: of bytes, or of any other buffer that is in one piece.

    Raises:
        TypeError: it is neither; the text names the argument.
    """
    if isinstance(value, bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    hint = ": encode it first" if isinstance(value, str) else ""
    return _as_buffer(value, name, f"bytes, bytearray, memoryview or another buffer{{}}{hint}")


def as_topic(value: object, name: str = "topic") -> bytes:
    """The bytes of a topic; `str` is encoded as UTF-8.

    Raises:
        TypeError: it is neither a str nor what `as_bytes` takes.
    """
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    return _as_buffer(value, name, "str, bytes, bytearray, memoryview or another buffer{}")


def _as_buffer(value: object, name: str, kinds: str) -> bytes:
    """The bytes of an array, a frame of pyzmq, and so on."""
    try:
        view = memoryview(value)  # type: ignore[arg-type]  # that is the question
    except TypeError:
        kind = f", not {type(value).__name__}"
        raise TypeError(f"{name} must be {kinds.format(kind)}") from None
    if not view.c_contiguous:
        raise TypeError(f"{name} must be a buffer in one piece: make a contiguous copy first")
    return bytes(view)


def is_one_frame(value: object) -> bool:
    """Whether this is a frame, or would be one if it were encoded, where several are expected."""
    if isinstance(value, str):
        return True
    try:
        memoryview(value)  # type: ignore[arg-type]  # that is the question
    except TypeError:
        return False
    return True


def as_topic_or_any(value: object) -> bytes | None:
    """The bytes of a topic, None if any will do; see `as_topic`."""
    return None if value is None else as_topic(value)


def read_size(text: str) -> int | None:
    """A number of bytes: "65536", "64K", "64 KiB", "1.5G"; None if it is none.

    A unit is a power of 1,024.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return None
    size = float(match[1]) * 1024 ** _POWERS[match[2].upper()]
    return int(size) if size.is_integer() else None


def as_endpoints(value: object) -> tuple[str, ...]:
    """The endpoints of an argument that may be none, one or several.

    Raises:
        TypeError: it is none of them.
    """
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, bytes | Mapping) or not isinstance(value, Iterable):
        kind = type(value).__name__
        raise TypeError(f"endpoint must be a str, or several of them in a list, not {kind}")
    return tuple(value)


def check_callback(on_event: object) -> None:
    """Refuse an `on_event` that cannot be called.

    Raises:
        TypeError: it is neither None nor callable, or it is async.
    """
    if on_event is not None and not callable(on_event):
        raise TypeError(f"on_event must be callable, not {type(on_event).__name__}")
    is_async = inspect.iscoroutinefunction
    if is_async(on_event) or is_async(type(on_event).__call__):
        raise TypeError(
            "on_event must be a plain function: nobody would await an async one; with asyncio it "
            "is called on the loop, and may start a task"
        )
    if on_event is not None:
        try:
            taken = inspect.signature(on_event)
        except (TypeError, ValueError):  # of C: it does not say
            return
        try:
            taken.bind(None)
        except TypeError:
            raise TypeError(
                f"on_event is called with one argument, the event; {taken} does not take it"
            ) from None


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
    if isinstance(timeout, bool | Enum) or not isinstance(timeout, int | float):
        kind = type(timeout).__name__
        hint = ": NOBLOCK of pyzmq is timeout=0" if isinstance(timeout, Enum) else ""
        raise TypeError(f"timeout must be a number of seconds or None, not {kind}{hint}")
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


def check_move(subscriber: object, worker: object) -> None:
    """Refuse what cannot name a subscriber, or the worker that is to serve it.

    Raises:
        TypeError: one is of a wrong type.
    """
    check_subscriber(subscriber)
    if isinstance(worker, bool) or not isinstance(worker, int):
        raise TypeError(f"worker must be an int, not {type(worker).__name__}")


def check_subscriber(subscriber: object) -> None:
    """Refuse what cannot name a subscriber.

    Raises:
        TypeError: it is of a wrong type.
    """
    if isinstance(subscriber, bool) or not isinstance(subscriber, int):
        kind = type(subscriber).__name__
        raise TypeError(f"subscriber must be the id that subscribers() shows, an int, not {kind}")


SPREAD_MAX = 86_400  # seconds: a day


def check_spread(spread: object) -> float:
    """Seconds over which connections are closed.

    Raises:
        TypeError: it is no number. ValueError: it is not from 0 to a day.
    """
    if isinstance(spread, bool) or not isinstance(spread, int | float):
        raise TypeError(f"spread must be a number of seconds, not {type(spread).__name__}")
    if not 0 <= spread <= SPREAD_MAX:
        raise ValueError(f"spread={spread!r} is not from 0 to {SPREAD_MAX:,} seconds")
    return float(spread)


REASON_BYTES = 256  # of UTF-8; what is said to people of a connection that ended


def check_dismissal(subscriber: object, reason: object) -> None:
    """Refuse what cannot name a subscriber, or why it is sent away.

    Raises:
        TypeError: one is of a wrong type. ValueError: `reason` is too long, or cannot be shown.
    """
    check_subscriber(subscriber)
    check_reason(reason)


def check_reason(reason: object) -> None:
    """Refuse what cannot say why somebody is sent away.

    Raises:
        TypeError, ValueError: as `check_dismissal`.
    """
    if not isinstance(reason, str):
        raise TypeError(f"reason must be a str, not {type(reason).__name__}")
    if not reason.isprintable():
        raise ValueError(f"reason={reason!r} has characters that cannot be shown")
    length = len(reason.encode())
    if length > REASON_BYTES:
        raise ValueError(f"reason takes {length} bytes of UTF-8, {REASON_BYTES} are allowed")
