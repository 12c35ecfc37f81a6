"""What is decided once about producers, before there are any: how much one may take, and send."""

from __future__ import annotations

from typing import NamedTuple


class Terms(NamedTuple):
    """How a publisher takes what producers send."""

    numbered: bool  # each message gets a frame with its number
    limit: int  # bytes on the wire, in one piece; no message of a producer has more
    count_limit: int  # messages in one piece
    handshake_timeout: float  # seconds
    max_command_bytes: int
