"""Messages without numbers: what is wanted of those that one read brought. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.subscriber.message import Message
from fanout.terms.reserved import RESERVED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.subscriber.parsing import Frames

_ORDINARY = RESERVED[:-1] + bytes((RESERVED[-1] + 1,))  # topics from here on are not reserved


def plain_messages(found: Sequence[Frames], wants: tuple[bytes, ...]) -> list[Message] | None:
    """Those that are wanted; None if one is of a reserved topic.

    Args:
        wants: prefixes of their topics.
    """
    messages: list[Message] = []
    add, new, kind = messages.append, object.__new__, Message
    wants_all, ordinary = b"" in wants, _ORDINARY
    for frames in found:
        topic = frames[0]
        if topic < ordinary and topic.startswith(RESERVED):
            return None
        if wants_all or topic.startswith(wants):
            message = new(kind)
            message._wire = frames
            add(message)
    return messages
