"""JSON and msgpack: a question is read in either, and answered in the same. Pure.

A question is a map. JSON is text, so that it begins below 0x80; what begins above is msgpack, of
which small numbers alone begin below. So who sends no map is told so in its own language.

Topics and frames are bytes. In msgpack they are told as `bin`; in JSON as text if they are UTF-8,
else as {"base64": "..."}, and either is understood. Entries of a list are encoded one by one, so
that it is known how much fits into an answer.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any, Protocol

import msgpack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TEXT_END = 0x80  # of the first bytes that JSON may have
_MARK = "\ufeff".encode()  # or this, which is none of JSON's, but of text: that is told
_DEEP = "it is nested too deeply"
BASE64 = "base64"


class NotUnderstood(Exception):
    """What was asked is neither JSON nor msgpack."""


class Language(Protocol):
    """How questions and answers are written."""

    def read(self, data: bytes) -> object:
        """The value of a question.

        Raises:
            NotUnderstood: it has none.
        """
        ...

    def entry(self, value: object) -> bytes:
        """A part of an answer."""
        ...

    def whole(self, head: Mapping[str, object], name: str, entries: Sequence[bytes]) -> bytes:
        """An answer: a map, of which the last member is a list of entries, unless `name` is ""."""
        ...


class Json:
    """Text, of UTF-8."""

    def read(self, data: bytes) -> object:
        """See `Language`."""
        try:
            return json.loads(data.decode("utf-8"), parse_constant=_refuse)
        except RecursionError:
            raise NotUnderstood(_DEEP) from None
        except ValueError as error:
            raise NotUnderstood(f"it is no JSON: {error}") from None

    def entry(self, value: object) -> bytes:
        """See `Language`."""
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=text_of)
        return text.encode()

    def whole(self, head: Mapping[str, object], name: str, entries: Sequence[bytes]) -> bytes:
        """See `Language`."""
        begin = self.entry(head)
        if not name:
            return begin
        return b"".join(
            (begin[:-1], b"," if head else b"", self.entry(name), b":[", b",".join(entries), b"]}")
        )


class Msgpack:
    """Bytes."""

    def read(self, data: bytes) -> object:
        """See `Language`."""
        try:
            return msgpack.unpackb(data, raw=False)  # numbers as keys could all collide
        except (msgpack.StackError, RecursionError):
            raise NotUnderstood(_DEEP) from None
        except (ValueError, TypeError) as error:
            raise NotUnderstood(f"it is no msgpack: {str(error) or type(error).__name__}") from None

    def entry(self, value: object) -> bytes:
        """See `Language`."""
        packed: bytes = msgpack.packb(value)
        return packed

    def whole(self, head: Mapping[str, object], name: str, entries: Sequence[bytes]) -> bytes:
        """See `Language`."""
        packer = msgpack.Packer()
        parts: list[bytes] = [packer.pack_map_header(len(head) + bool(name))]
        for key, value in head.items():
            parts += (packer.pack(key), packer.pack(value))
        if name:
            parts += (packer.pack(name), packer.pack_array_header(len(entries)), *entries)
        return b"".join(parts)


JSON, MSGPACK = Json(), Msgpack()


def language_of(data: bytes) -> Language:
    """Which of both a question is written in; what is neither is answered in JSON."""
    is_text = not data or data[0] < _TEXT_END or data.startswith(_MARK)
    return JSON if is_text else MSGPACK


def text_of(value: object) -> object:
    """How JSON tells bytes.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(value, bytes):
        raise TypeError(f"JSON has no {type(value).__name__}")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return {BASE64: base64.b64encode(value).decode("ascii")}


def bytes_of(value: object) -> bytes | None:
    """The bytes that somebody has asked for; None: it is neither text, nor bytes, nor base64."""
    try:
        if isinstance(value, str):
            return value.encode()
        if isinstance(value, dict) and list(value) == [BASE64]:
            return base64.b64decode(value[BASE64], validate=True)
    except (ValueError, TypeError, binascii.Error):
        return None
    return value if isinstance(value, bytes) else None


def _refuse(constant: str) -> Any:
    raise ValueError(f"it has no {constant}")
