"""Commands of ZMTP 3: `name-len(1) name data` in the body of a frame (RFC 37, "Commands").

Names are case-sensitive (libzmq compares bytes). The functions return whole frames.
"""

from __future__ import annotations

from fanout.zmtp.errors import LocalProtocolError
from fanout.zmtp.frames import COMMAND, encode_message, frame_header

READY = b"READY"
ERROR = b"ERROR"
SUBSCRIBE = b"SUBSCRIBE"
CANCEL = b"CANCEL"
PING = b"PING"
PONG = b"PONG"

PING_CONTEXT_BYTES_MAX = 16  # RFC 37
PING_TTL_BYTES = 2
PING_TTL_MAX_DS = 655  # libzmq multiplies by 100 in 16 bits: 656 closed us after 0.065 s
ERROR_REASON_BYTES_MAX = 255  # its length is one byte
_ERROR_REASON_SHOWN_MAX = 100  # bytes; it goes into our logs, and the peer wrote it


def command(name: bytes, data: bytes = b"") -> bytes:
    """Build the frame of a command."""
    body = bytes((len(name),)) + name + data
    return frame_header(len(body), COMMAND) + body


def error(reason: bytes) -> bytes:
    """Build an ERROR: handshake only, final for the peer. `reason` has up to 255 bytes."""
    reason = reason[:ERROR_REASON_BYTES_MAX]
    return command(ERROR, bytes((len(reason),)) + reason)


_PONG_HEADS = [
    frame_header(1 + len(PONG) + size, COMMAND) + bytes((len(PONG),)) + PONG
    for size in range(PING_CONTEXT_BYTES_MAX + 1)
]


def ping(context: bytes, ttl_ds: int) -> bytes:
    """Build a PING.

    Args:
        context: what the peer is to echo, 0 to 16 bytes.
        ttl_ds: the peer may close after so many tenths of a second of silence; 0 to 655, 0 = none.

    Raises:
        LocalProtocolError: one of both is out of range.
    """
    if len(context) > PING_CONTEXT_BYTES_MAX:
        raise LocalProtocolError(
            f"a PING context has up to {PING_CONTEXT_BYTES_MAX} bytes, not {len(context)}"
        )
    if not 0 <= ttl_ds <= PING_TTL_MAX_DS:
        raise LocalProtocolError(f"a PING ttl is 0 to {PING_TTL_MAX_DS} ds, not {ttl_ds}")
    return command(PING, ttl_ds.to_bytes(PING_TTL_BYTES, "big") + context)


def pong(context: bytes) -> bytes:
    """Build the PONG that echoes `context`, which has up to 16 bytes."""
    return _PONG_HEADS[len(context)] + context


def subscription(prefix: bytes, *, as_command: bool) -> bytes:
    """Build a SUBSCRIBE command (3.1), or the message 01 prefix of older versions."""
    return command(SUBSCRIBE, prefix) if as_command else encode_message([b"\x01" + prefix])


def cancellation(prefix: bytes, *, as_command: bool) -> bytes:
    """Build a CANCEL command (3.1), or the message 00 prefix of older versions."""
    return command(CANCEL, prefix) if as_command else encode_message([b"\x00" + prefix])


def split_command(body: bytes) -> tuple[bytes, bytes]:
    """Return name and data of a command; the name is empty if the body is malformed."""
    if not body:
        return b"", b""
    end = 1 + body[0]
    return (body[1:end], body[end:]) if end <= len(body) else (b"", b"")


def split_ping(data: bytes) -> tuple[int, bytes] | None:
    """Return TTL (tenths of a second) and context of a PING, `None` if it is too short.

    A context above 16 bytes is cut, as libzmq does.
    """
    if len(data) < PING_TTL_BYTES:
        return None
    context = data[PING_TTL_BYTES : PING_TTL_BYTES + PING_CONTEXT_BYTES_MAX]
    return int.from_bytes(data[:PING_TTL_BYTES], "big"), context


def error_reason(data: bytes) -> str:
    """Return the reason of an ERROR as printable ASCII, cut to a length fit for a log."""
    reason = data[1 : 1 + data[0]] if data else b""
    return printable(reason)


def printable(text: bytes) -> str:
    """Return a peer's bytes as printable ASCII of bounded length."""
    shown = text[:_ERROR_REASON_SHOWN_MAX]
    return "".join(chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in shown)
