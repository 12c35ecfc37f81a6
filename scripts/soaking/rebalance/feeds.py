"""What is published: messages that follow from their feed and number, to the byte. Pure."""

from __future__ import annotations

HEAVY, LIGHT = "H", "L"
PAYLOAD_BYTES = 240  # fits into a short frame
NUMBER_BYTES = 8
_FILLER = bytes(range(PAYLOAD_BYTES - NUMBER_BYTES))


def payload_of(number: int) -> bytes:
    """Of one message."""
    return number.to_bytes(NUMBER_BYTES, "big") + _FILLER


def wire_of(feed: str, number: int) -> bytes:
    """A message of a feed as it comes to a subscriber, written down here by hand."""
    topic = feed.encode()
    return bytes((1, len(topic))) + topic + bytes((0, PAYLOAD_BYTES)) + payload_of(number)


class Stream:
    """What one subscriber has got of its feed: all of it, in order, to the byte.

    Attributes:
        got: messages that have come whole.
        wrong: what was not right first, for people; empty = nothing.
    """

    def __init__(self, feed: str) -> None:
        self.got = 0
        self.wrong = ""
        self._feed = feed
        self._begun = b""

    def take(self, data: bytes, wires: dict[int, bytes]) -> None:
        """So much more has come.

        Args:
            wires: messages of this feed that others have looked at; more are added.
        """
        if self.wrong:
            return
        data = self._begun + data
        at = 0
        while at < len(data):
            wire = wires.get(self.got) or wires.setdefault(self.got, wire_of(self._feed, self.got))
            part = data[at : at + len(wire)]
            if not wire.startswith(part):
                self.wrong = f"{part[:16]!r} comes where message {self.got} of {self._feed} was due"
                return
            if len(part) < len(wire):
                break
            self.got += 1
            at += len(wire)
        self._begun = data[at:]

    def complaint(self, published: int) -> str:
        """What is not as it must be in the end; empty = all is well."""
        if self.wrong or self.got == published:
            return self.wrong
        return f"{self.got} of {published} messages of {self._feed} have come"
