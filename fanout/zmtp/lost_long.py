"""Long commands without the LONG bit, as libzmq 4.3.3 and 4.3.4 send them (libzmq issue 4367).

Flags 04, then 8 bytes of size, of which all but the last are always the same; the body has 256
bytes and more.
"""

from __future__ import annotations

_COMMAND = 4  # as in `frames.py`
_HEADER_BYTES = 9
_HEAD = bytes((_COMMAND, 0, 0, 0, 0, 0, 0, 1))
_SIZE_MIN = 256
_TOPIC_MAX = 255  # bytes; for longer topics libzmq sets the bit
_COMMANDS = (b"\x09SUBSCRIBE", b"\x06CANCEL")
WINDOW_BYTES = _HEADER_BYTES + max(map(len, _COMMANDS))


def lost_long_size(window: bytes) -> int | None:
    """Tell an empty command from a long one whose LONG bit libzmq 4.3.3 and 4.3.4 forgot.

    An empty command is never legal, so no correct peer is misread. The same bug for messages
    (a topic of 255 bytes, towards a 3.0 or 2.0 peer) is left alone: there the bytes are also a
    legal stream of empty messages, and libzmq never sends them to a peer that announces 3.1.

    Args:
        window: bytes of the stream from the flags byte 04 on.

    Returns:
        The true size of the body, 0 if it is an empty command, `None` if more bytes must come.
    """
    head = window[: len(_HEAD)]
    if not _HEAD.startswith(head):
        return 0
    if len(window) < _HEADER_BYTES:
        return None
    size = _SIZE_MIN + window[_HEADER_BYTES - 1]
    undecided = False
    for command in _COMMANDS:
        if size > len(command) + _TOPIC_MAX:
            continue
        name = window[_HEADER_BYTES : _HEADER_BYTES + len(command)]
        if name == command:
            return size
        undecided = undecided or command.startswith(name)
    return None if undecided else 0
