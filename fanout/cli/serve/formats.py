"""The three formats of standard input: bytes in, messages out, in any cut.

Pure. A parser keeps at most one unfinished item, of at most `item_bytes_max` bytes, whatever comes
in; input that is wrong becomes a `BadInput` and the parser goes on behind it, with one exception:
bytes that are not msgpack leave no way to find the next item, so `MsgpackParser` then is `lost`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

import msgpack

from fanout.cli.serve.items import (
    BadInput,
    Frames,
    InvalidItem,
    check_message,
    payload_bytes,
    topic_bytes,
    topic_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ITEM_BYTES_DEFAULT = 16 * 1024 * 1024
"""Longest line or msgpack item: the largest message of a publisher with the default log."""

Parsed = Frames | BadInput


class Parser(Protocol):
    """What `serve` needs of a format."""

    unit: str
    """What an item is called in a report."""

    lost: bool
    """True once the rest of the input cannot be understood; `feed` then returns nothing."""

    def feed(self, data: bytes) -> list[Parsed]:
        """Returns what `data` completed, in the order of the input."""

    def finish(self) -> list[Parsed]:
        """Returns what the end of the input completed."""


class LineParser:
    """Cuts lines and gives each, without its newline, to `read_line`.

    Args:
        read_line: makes a message of a line, or None of one that means nothing (a blank line);
            raises `InvalidItem`.
        item_bytes_max: longest line in bytes, 1 or more; a longer one is skipped as it comes.
    """

    unit = "line"

    def __init__(
        self,
        read_line: Callable[[bytes], Frames | None],
        item_bytes_max: int = ITEM_BYTES_DEFAULT,
    ) -> None:
        self.lost = False
        self._read_line = read_line
        self._item_bytes_max = item_bytes_max
        self._number = 0
        self._pieces: list[bytes] = []  # of the unfinished line: joined once, so time is linear
        self._piece_bytes = 0
        self._skipping = False  # inside a line that is too long

    def feed(self, data: bytes) -> list[Parsed]:
        """Returns what `data` completed, in the order of the input."""
        lines = data.split(b"\n")
        rest = lines.pop()
        parsed: list[Parsed] = []
        for index, line in enumerate(lines):
            self._finish_line(line if index else self._with_pieces(line), parsed)
        self._keep(rest)
        return parsed

    def finish(self) -> list[Parsed]:
        """Returns the last line, if it had no newline."""
        parsed: list[Parsed] = []
        if self._piece_bytes or self._skipping:
            self._finish_line(self._with_pieces(b""), parsed)
        return parsed

    def _keep(self, rest: bytes) -> None:
        if not rest:
            return
        self._piece_bytes += len(rest)
        if self._piece_bytes > self._item_bytes_max:
            self._skipping = True
            self._pieces.clear()
        else:
            self._pieces.append(rest)

    def _with_pieces(self, end: bytes) -> bytes:
        if not self._pieces:
            return end
        self._pieces.append(end)
        line = b"".join(self._pieces)
        self._pieces.clear()
        return line

    def _finish_line(self, line: bytes, parsed: list[Parsed]) -> None:
        self._number += 1
        too_long = self._skipping or len(line) > self._item_bytes_max
        self._skipping = False
        self._piece_bytes = 0
        try:
            if too_long:
                raise InvalidItem(f"longer than {self._item_bytes_max:,} bytes")
            message = self._read_line(line)
            if message is not None:
                check_message(message, self._item_bytes_max)
                parsed.append(message)
        except InvalidItem as error:
            parsed.append(BadInput(self._number, str(error)))


def read_tabbed(line: bytes) -> Frames:
    """Reads `topic<TAB>payload`; the payload may hold further TABs and any byte but a newline.

    Raises:
        InvalidItem: no TAB.
    """
    topic, tab, payload = line.partition(b"\t")
    if not tab:
        raise InvalidItem("no TAB between topic and payload")
    return topic, payload


class JsonLine:
    """Reads one JSON object: its member `topic_key` is the topic, the line itself the payload."""

    def __init__(self, topic_key: str) -> None:
        self._topic_key = topic_key

    def __call__(self, line: bytes) -> Frames | None:
        """Returns the message, None for a blank line.

        Raises:
            InvalidItem: not JSON, not an object, or no usable topic in it.
        """
        payload = line.strip()
        if not payload:
            return None
        try:
            value = json.loads(payload)
        except RecursionError:
            raise InvalidItem("JSON nested too deeply") from None
        except UnicodeDecodeError:
            raise InvalidItem("not UTF-8") from None
        except json.JSONDecodeError as error:
            raise InvalidItem(f"not JSON: {error.msg} at column {error.colno}") from None
        except ValueError as error:  # a number with too many digits
            raise InvalidItem(f"not JSON: {error}") from None
        if not isinstance(value, dict):
            raise InvalidItem("JSON, but not an object")
        return topic_of(value, self._topic_key), payload


class MsgpackParser:
    """A stream of msgpack items: arrays `[topic, payload]`, or maps with `topic_key`.

    An array is a message, each element a frame: bytes as they are, a string as UTF-8, and anything
    else behind the topic as msgpack. Most have two; `fanout sub` writes as many as it received. Of
    a map the payload is the map itself, byte for byte.

    Args:
        topic_key: the key that holds the topic of a map; None = arrays only.
        item_bytes_max: largest item in bytes.
    """

    unit = "item"

    def __init__(
        self, topic_key: str | None = None, item_bytes_max: int = ITEM_BYTES_DEFAULT
    ) -> None:
        self.lost = False
        self._topic_key = topic_key
        self._item_bytes_max = item_bytes_max
        self._number = 0
        self._pending = bytearray()  # the same bytes the unpacker holds, for slicing items out
        self._offset = 0  # of _pending[0] in the stream
        self._unpacker = _boundary_finder(item_bytes_max)

    def feed(self, data: bytes) -> list[Parsed]:
        """Returns what `data` completed, in the order of the input."""
        parsed: list[Parsed] = []
        view = memoryview(data)
        # In pieces of the limit, so that the unpacker's buffer (twice the limit) can never be full.
        for start in range(0, len(data), self._item_bytes_max):
            if self.lost:
                break
            self._feed_piece(view[start : start + self._item_bytes_max], parsed)
        return parsed

    def finish(self) -> list[Parsed]:
        """Returns a `BadInput` if the input ended inside an item."""
        if self.lost or not self._pending:
            return []
        self._pending.clear()
        return [BadInput(self._number + 1, "the input ends inside an item")]

    def _feed_piece(self, piece: memoryview, parsed: list[Parsed]) -> None:
        self._pending += piece
        self._unpacker.feed(piece)
        start = 0
        while not self.lost:
            try:
                self._unpacker.skip()
            except msgpack.OutOfData:
                break
            except (ValueError, msgpack.UnpackException) as error:
                self._lose(_why_not_msgpack(error), parsed)
                return
            end = self._unpacker.tell() - self._offset
            self._finish_item(bytes(self._pending[start:end]), parsed)
            start = end
        del self._pending[:start]
        self._offset += start
        if len(self._pending) > self._item_bytes_max:
            self._lose(f"longer than {self._item_bytes_max:,} bytes", parsed)

    def _finish_item(self, raw: bytes, parsed: list[Parsed]) -> None:
        self._number += 1
        try:
            if len(raw) > self._item_bytes_max:
                raise InvalidItem(f"longer than {self._item_bytes_max:,} bytes")
            message = self._read_item(raw)
            check_message(message, self._item_bytes_max)
            parsed.append(message)
        except InvalidItem as error:
            parsed.append(BadInput(self._number, str(error)))

    def _read_item(self, raw: bytes) -> Frames:
        try:
            value = msgpack.unpackb(raw, strict_map_key=False)
        except (ValueError, TypeError, RecursionError) as error:
            raise InvalidItem(f"msgpack that cannot be read: {error}") from None
        if isinstance(value, dict):
            if self._topic_key is None:
                raise InvalidItem("a map, and no --topic-key was given")
            return topic_of(value, self._topic_key), raw
        if not isinstance(value, list) or not value:
            raise InvalidItem("neither [topic, payload] nor a map")
        topic, *payloads = value
        return topic_bytes(topic, "the topic"), *map(payload_bytes, payloads)

    def _lose(self, reason: str, parsed: list[Parsed]) -> None:
        self.lost = True
        self._pending.clear()
        parsed.append(BadInput(self._number + 1, f"{reason}; the rest of the input is unreadable"))


def _boundary_finder(item_bytes_max: int) -> msgpack.Unpacker:
    # skip() builds no objects, so that only its buffer needs a limit.
    return msgpack.Unpacker(max_buffer_size=2 * item_bytes_max + 1)


def _why_not_msgpack(error: Exception) -> str:
    if isinstance(error, msgpack.StackError):
        return "msgpack nested too deeply"
    text = str(error)
    return f"not msgpack: {text}" if text else "not msgpack"


def make_parser(
    name: str,
    *,
    topic_key: str | None,
    topic: bytes | None = None,
    item_bytes_max: int = ITEM_BYTES_DEFAULT,
) -> Parser:
    """Returns the parser of the format `lines`, `ndjson` or `msgpack`.

    Args:
        topic: of every line, which is the payload then; None = each has its own.

    Raises:
        ValueError: `topic_key` is missing, or of no use, for this format; or `topic` is.
    """
    if topic is not None:
        if name != "lines":
            raise ValueError("--topic is for --format lines")
        if topic_key is None:
            return LineParser(lambda line: (topic, line), item_bytes_max)
    if name == "lines":
        if topic_key is not None:
            raise ValueError("--topic-key is of no use with --format lines")
        return LineParser(read_tabbed, item_bytes_max)
    if name == "ndjson":
        if topic_key is None:
            raise ValueError("--format ndjson needs --topic-key")
        return LineParser(JsonLine(topic_key), item_bytes_max)
    return MsgpackParser(topic_key, item_bytes_max)
