"""The reserved topics: what a subscriber says of itself is a subscription in this space. Pure.

No message is on a topic there, whatever it is published by, and no subscription there matches one.
What fanout itself says there it says to a subscriber alone, not by the log.
"""

from __future__ import annotations

from fanout.errors import ConfigError

RESERVED = b"\x00fanout."
GAP_TOPIC = RESERVED + b"gap"  # of what a subscriber is told that has missed something
SNAPSHOT_TOPIC = RESERVED + b"snapshot"  # of what says where last values begin and end
DENIED_TOPIC = RESERVED + b"denied"  # of what a subscriber is told that it may not have
SINCE_TOPIC = RESERVED + b"since"  # of what says that all is sent that was missed
VALUES_OFF = RESERVED + b"values=off"  # who says it is sent no last values
VALUES_ALL = RESERVED + b"values=all"  # who says it is sent those, too, that it may have had
NAME_BYTES_MAX = 64  # of what a subscriber calls itself: so much of it is on its card
RESERVED_MAX = 32  # reserved subscriptions of one connection: three times as many as there are keys


def refuse_reserved(topic: bytes) -> None:
    """Refuse to publish on a reserved topic.

    Raises:
        ConfigError: it is one.
    """
    if topic.startswith(RESERVED):
        raise ConfigError(
            f"topic {topic[:40]!r} begins with {RESERVED!r}, which is reserved for what fanout and "
            "its subscribers say to each other; nothing was sent"
        )
