"""`fanout sub`: what it prints of messages, and says of those that are missing."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

from fanout.cli.sub.command import Printer
from fanout.cli.sub.rendering import as_text
from fanout.introduction import Introduction
from fanout.subscriber.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fanout.subscriber.message import Message


class Read:
    """A link that has read messages with these numbers, in one go."""

    def __init__(self, *numbers: int) -> None:
        stream = Stream([b""])
        stream.begin(Introduction(1, 0, sequence=True))
        frames = [(b"t", b"%d" % number, struct.pack(">QQ", 1, number)) for number in numbers]
        self._messages = stream.take(frames)

    def batches(self) -> Iterator[list[Message]]:
        yield self._messages


def test_messages_without_their_numbers_and_how_many_are_missing() -> None:
    output, notes = io.BytesIO(), list[str]()
    printer = Printer(output, as_text, notes.append)
    link: Any = Read(0, 1, 5)
    printer.print_all(link, None)
    assert output.getvalue() == b"t\t0\nt\t1\nt\t5\n"
    assert notes == ["3 messages are missing: missing"]
    assert printer.printed == 3


def test_nothing_is_said_of_what_is_missing_before_messages_that_are_not_printed() -> None:
    output, notes = io.BytesIO(), list[str]()
    printer = Printer(output, as_text, notes.append)
    link: Any = Read(0, 1, 5)
    printer.print_all(link, 2)
    assert output.getvalue() == b"t\t0\nt\t1\n"
    assert notes == []
