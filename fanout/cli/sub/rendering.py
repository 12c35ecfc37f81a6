"""How `sub` shows a message: one line each, whatever is in it, but for raw and msgpack. Pure."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgpack

from fanout.cli.sub.latencies import milliseconds

if TYPE_CHECKING:
    from fanout.cli.sub.latencies import Latencies
    from fanout.subscriber.message import Message

Frames = Sequence[bytes]
Render = Callable[[Frames], bytes]


def as_text(frames: Frames) -> bytes:
    r"""Returns the frames as text with TABs between them.

    What is not UTF-8, and control characters but for TAB, come out as escapes (`\xff`, `\n`): a
    message stays one line and cannot speak to the terminal.
    """
    return b"\t".join(_printable(frame).encode() for frame in frames) + b"\n"


def as_hex(frames: Frames) -> bytes:
    """Returns the frames in hexadecimal with TABs between them."""
    return b"\t".join(frame.hex().encode() for frame in frames) + b"\n"


def as_raw(frames: Frames) -> bytes:
    """Returns what is behind the topic, as it is, without a newline; of one frame, that frame."""
    return b"".join(frames[1:]) if len(frames) > 1 else bytes(frames[0])


def as_msgpack(frames: Frames) -> bytes:
    """Returns the message as a msgpack array of its frames, which `serve` reads back as it was."""
    packed: bytes = msgpack.packb([bytes(frame) for frame in frames])
    return packed


def as_json(frames: Frames) -> bytes:
    """Reads the payload as JSON; returns a line of JSON with `topic` and `payload`.

    A payload that is not JSON comes out as `payload_text`, or as `payload_base64` if it is not
    UTF-8 either. NaN and the infinities, which JSON does not have, come out as null.
    """
    return _json_line(frames, json.loads)


def as_msgpack_json(frames: Frames) -> bytes:
    """Reads the payload as msgpack; returns a line of JSON with `topic` and `payload`.

    A payload that is not msgpack comes out as in `as_json`. What else JSON does not have is shown
    as text: bytes, timestamps, keys that are no strings.
    """
    return _json_line(frames, _unpack)


FORMATS: dict[str, Render] = {
    "text": as_text,
    "hex": as_hex,
    "json": as_json,
    "msgpack": as_msgpack,
    "msgpack-json": as_msgpack_json,
}


def as_json_message(
    decode: Callable[[bytes], Any], latencies: Latencies | None = None
) -> Callable[[Message], bytes]:
    """How `--json` shows a message: what `as_json` shows of it, and what is known of it besides.

    The epoch is as `--since` takes it: JSON readers keep no whole numbers of that size.

    Args:
        decode: reads a payload.
        latencies: that of the message is shown, if it has one.
    """

    def render(message: Message) -> bytes:
        more: dict[str, Any] = {"kind": message.kind}
        if message.sequence is not None and message.epoch is not None:
            more |= {"epoch": f"{message.epoch:016x}", "sequence": message.sequence}
        gap = message.gap
        if gap is not None:
            told = {"reason": gap.reason, "count": gap.count, "first": gap.first, "last": gap.last}
            more["gap"] = told
        latency = None if latencies is None else latencies.of(message)
        if latency is not None:
            more["latency_ms"] = milliseconds(latency)
        return _json_line(message.frames, decode, more)

    return render


# Formats of payloads that `--json` reads.
READERS: dict[str, Callable[[bytes], Any]] = {
    "json": json.loads,
    "msgpack-json": lambda payload: _unpack(payload),
}


def _printable(frame: bytes) -> str:
    text = bytes(frame).decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one == "\t" else _escape(one) for one in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _unpack(payload: bytes) -> Any:
    return msgpack.unpackb(payload, strict_map_key=False, timestamp=3)


def _json_line(
    frames: Frames, decode: Callable[[bytes], Any], more: Mapping[str, Any] | None = None
) -> bytes:
    shown: dict[str, Any] = {"topic": _printable(frames[0])}
    payloads = [bytes(frame) for frame in frames[1:]]
    if len(payloads) == 1:
        shown.update(_decoded(payloads[0], decode))
    elif payloads:
        shown["frames"] = [_decoded(payload, decode) for payload in payloads]
    shown.update(more or {})
    line = json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
    return line.encode("utf-8", "backslashreplace") + b"\n"


def _decoded(payload: bytes, decode: Callable[[bytes], Any]) -> dict[str, Any]:
    try:
        return {"payload": _json_ready(decode(payload))}
    except (ValueError, TypeError, RecursionError, OverflowError):
        pass  # not in the format that the user named: shown as text or base64
    try:
        return {"payload_text": payload.decode()}
    except UnicodeDecodeError:
        return {"payload_base64": base64.b64encode(payload).decode("ascii")}


def _json_ready(value: Any) -> Any:
    if isinstance(value, dict):
        return {_key(key): _json_ready(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_ready(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None  # a text would be one that was not sent
    if value is None or isinstance(value, (str, int)):
        return value
    return _key(value)


def _key(value: Any) -> str:
    if isinstance(value, str):
        return value
    return _printable(value) if isinstance(value, bytes) else str(value)
