"""`fanout sub`: what it prints of messages, and says of those that are missing."""

from __future__ import annotations

import io
import json
import struct
from typing import TYPE_CHECKING, Any

from fanout.cli.sub.command import Printer
from fanout.cli.sub.rates import Rates
from fanout.cli.sub.rendering import as_json_message, as_text
from fanout.subscriber.stream import Stream
from fanout.terms.introduction import Introduction

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
    printer = Printer(output, lambda message: as_text(message.frames), notes.append)
    link: Any = Read(0, 1, 5)
    printer.print_all(link, None)
    assert output.getvalue() == b"t\t0\nt\t1\nt\t5\n"
    assert notes == ["3 messages are missing: missing"]
    assert printer.printed == 3


def test_nothing_is_said_of_what_is_missing_before_messages_that_are_not_printed() -> None:
    output, notes = io.BytesIO(), list[str]()
    printer = Printer(output, lambda message: as_text(message.frames), notes.append)
    link: Any = Read(0, 1, 5)
    printer.print_all(link, 2)
    assert output.getvalue() == b"t\t0\nt\t1\n"
    assert notes == []


def test_rates_are_printed_instead_and_the_last_at_the_end() -> None:
    output, notes = io.BytesIO(), list[str]()
    printer = Printer(output, as_json_message(json.loads), notes.append, Rates(0.0, as_json=True))
    link: Any = Read(0, 1, 5)
    printer.print_all(link, None)
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    assert [(line["messages"], line["missing"]) for line in lines] == [(3, 3)] * len(lines)
    assert lines
    assert printer.printed == 3


def test_all_that_is_known_of_a_message_as_json() -> None:
    output, notes = io.BytesIO(), list[str]()
    printer = Printer(output, as_json_message(json.loads), notes.append)
    link: Any = Read(0, 5)
    printer.print_all(link, None)
    known = {"topic": "t", "kind": "live", "epoch": "0000000000000001"}
    assert [json.loads(line) for line in output.getvalue().splitlines()] == [
        {**known, "payload": 0, "sequence": 0},
        {
            **known,
            "payload": 5,
            "sequence": 5,
            "gap": {"reason": "missing", "count": 4, "first": 1, "last": 4},
        },
    ]
