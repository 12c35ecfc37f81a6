"""Keyframes: messages from which on whoever subscribes later needs what is published on a topic.

The message itself is as others are. That it is one stands in the index of the log, in the id of its
topic; so it costs those nothing that are none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from fanout.errors import ConfigError
from fanout.send.topics import UNKNOWN
from fanout.send.wire import INTERN_BYTES_MAX

if TYPE_CHECKING:
    from fanout.send.kept_path import KeptPath
    from fanout.send.path import SendPath
    from fanout.send.topics import Topic
    from fanout.send.wire import Wire

NO_VALUES = (
    "keyframe=True is for those who subscribe later: make the publisher with "
    "last_values=LastValues(); nothing was sent"
)
NO_TOPIC = "a keyframe has a topic and a payload: a message of one frame cannot be one"
OF_PRODUCER = "a producer has no keyframes: publish them in the publisher's process"


def as_keyframe(path: SendPath, topic: Topic) -> Topic:
    """What a keyframe is published by; any thread.

    Args:
        topic: of the message, as the encoder has found it.

    Raises:
        ConfigError: this publisher has no keyframes, or none of this topic; nothing has changed.
        ClosedError, ForkedError, NestedSendError: as `publish()`.
    """
    if not path.keeps_values:
        path.gate.check_use()
        raise ConfigError(NO_VALUES)
    keyframe = cast("KeptPath", path).keyframe(topic.name)
    if keyframe is None:
        raise ConfigError(f"{_why_none(topic)}; nothing was sent")
    return keyframe


def in_pieces(wire: Wire) -> Wire:
    """The message for `append_parts()`, which takes the mark back if it is not committed."""
    return (wire,) if isinstance(wire, bytes) else wire


def _why_none(topic: Topic) -> str:
    if topic is UNKNOWN:
        return NO_TOPIC
    if len(topic.name) > INTERN_BYTES_MAX:
        return f"a topic of more than {INTERN_BYTES_MAX} bytes has no keyframes"
    return f"the topic {topic.name!r} has no keyframes: LastValues(topics=…) does not name it"
