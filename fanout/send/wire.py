"""Wire bytes: the one place where what users pass becomes what travels. Pure.

A message is encoded once, in the calling thread, and copied once, into the log. What is small is
joined to one piece before; a large payload stays a piece of its own, to be copied only once.

The usual message has a short way: `SendPath.append`, and its twins, join the parts that are made
here and by `Topic`, in one call. Tests hold them to the bytes that `Encoder` makes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Protocol, TypeAlias

import msgpack

from fanout.errors import MessageTooLarge
from fanout.send.topics import NOT_INTERNED, UNKNOWN, Topic
from fanout.shm.numbered_log import NUMBER
from fanout.terms.arguments import as_bytes, as_topic, is_one_frame
from fanout.terms.reserved import refuse_reserved
from fanout.zmtp.frames import MORE, encode_message, frame_header, frame_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fanout.send.topics import Subject, TopicTable
    from fanout.terms.arguments import Bytes, TopicLike

Wire: TypeAlias = bytes | tuple[bytes, ...]  # a message, whole or in pieces

# Single frames from here on are on no reserved topic; those below, which are rare, are looked at.
ORDINARY = b"\x01"

COPY_ONCE_BYTES = 8 * 1024  # from this size on, a payload is not joined to its header first
PACKER_BYTES_MAX = 64 * 1024  # a packer keeps as much memory as its largest value took
INTERN_BYTES_MAX = 255  # longer topics would fill the table's memory: matched by their bytes

SEQUENCES = (list, tuple)  # the usual ones, which need no further look

_NOT_ENCODED = TypeError, ValueError, OverflowError, RecursionError  # what encoders raise

_packers: list[Callable[[object], bytes]] = []  # made, and not in use now
_encode_json = json.JSONEncoder(allow_nan=False).encode

PAYLOAD_HEADERS = frame_headers(COPY_ONCE_BYTES)  # of a last frame

# The last frame of a message that has its number in it, with room for that.
NUMBER_FRAME = encode_message([bytes(NUMBER.size)])


def as_msgpack(value: object) -> bytes:
    """A value as msgpack.

    A packer is made once and used again, which is what most of a small value costs. Each is used by
    one call at a time: code of the user may run in the middle, of a `dict` of his own, for one.

    Raises:
        TypeError, ValueError, OverflowError: there is something in it that msgpack does not have.
    """
    try:
        pack = _packers.pop()
    except IndexError:
        pack = msgpack.Packer().pack
    try:
        packed: bytes = pack(value)  # one that raised is not used again
    except _NOT_ENCODED as error:
        raise _not_encoded("msgpack", error) from None
    if len(packed) <= PACKER_BYTES_MAX:
        _packers.append(pack)
    return packed


@cache
def more_headers() -> list[bytes]:
    """As `PAYLOAD_HEADERS`, of a frame that another one follows; made for who needs them."""
    return frame_headers(COPY_ONCE_BYTES, MORE)


def as_json(value: object) -> bytes:
    """A value as JSON, which any language can read: not with Python's words for NaN and infinity.

    Raises:
        TypeError: there is something in it that JSON does not have.
        ValueError: NaN or infinity is in it, or it is in itself.
        RecursionError: it is nested too deeply.
    """
    try:
        return _encode_json(value).encode()
    except _NOT_ENCODED as error:
        advice = ""
        if "float" in str(error):
            advice = (
                ": put None in the place of NaN and infinity, or encode it yourself and send() that"
            )
        raise _not_encoded("JSON", error, advice) from None


def _not_encoded(what: str, error: Exception, advice: str = "") -> Exception:
    """The same error, with what it means; of the kinds of `_NOT_ENCODED`, not of their own ones."""
    kind = next(kind for kind in _NOT_ENCODED if isinstance(error, kind))
    return kind(f"value cannot be {what} ({error}){advice}; nothing was sent")


def bodies_of(frames: Iterable[Bytes]) -> list[bytes]:
    """The frames of a message, as users give them; there is at least one.

    Raises:
        TypeError: a frame is not bytes-like, or `frames` is itself one frame, or no sequence.
        ValueError: there are no frames.
    """
    if type(frames) not in SEQUENCES and is_one_frame(frames):
        raise TypeError("frames must be a sequence of frames, not one frame: use send()")
    if not isinstance(frames, Iterable):
        raise TypeError(f"frames must be a sequence of frames, not {type(frames).__name__}")
    bodies = [
        frame if type(frame) is bytes else as_bytes(frame, f"frames[{index}]")
        for index, frame in enumerate(frames)
    ]
    if not bodies:
        raise ValueError("frames must not be empty: a message has at least one frame")
    return bodies


class Collected(Protocol):
    """What takes the messages of a batch, by `+=`: body and subject of each, in turn.

    A list is one, which an `Encoder` makes messages of.
    """

    def __len__(self) -> int:
        """Two for each message."""

    def __iadd__(self, pair: tuple[Wire | Subject, Subject], /) -> Collected: ...


class Coded(Collected, Protocol):
    """One that encodes each message as it is added, and is an `Attempt` at appending all.

    What it cannot encode by itself makes a list of it.

    Attributes:
        size, count: bytes on the wire, and messages.
        bodies, topics: of each message, made anew each time; a body is all of it as it travels.
        young: the topics that were known when it was made, see `TopicTable`.
    """

    size: int
    count: int
    bodies: list[bytes]
    topics: list[Topic]
    young: object

    def append(self) -> int:
        """As `SendPath.append_batch`."""


class Encoder:
    """Turns arguments into a message and its topic; any thread.

    Args:
        topics: those that were published lately.
        intern: adds one to them, and returns it.
        limit: bytes on the wire that a message may have; None = any number.
        in_pieces: whether large payloads stay pieces of their own.
        numbered: whether a last frame is added to each message, with room for its number.
    """

    def __init__(
        self,
        topics: TopicTable,
        intern: Callable[[bytes], Topic],
        limit: int | None,
        in_pieces: bool,
        *,
        numbered: bool = False,
    ) -> None:
        self._topics = topics
        self._intern = intern
        self._limit = limit
        self._in_pieces = in_pieces
        self._end = NUMBER_FRAME if numbered else b""
        self._flags = MORE if numbered else 0  # of the last frame that users give
        self._headers = more_headers() if numbered else PAYLOAD_HEADERS

    def two_frames(self, topic: TopicLike, payload: Bytes) -> tuple[Wire, Topic]:
        """Topic and payload.

        Raises:
            TypeError: an argument is of a wrong type.
            ConfigError: the topic is a reserved one.
            MessageTooLarge: with both numbers.
        """
        known = self._topic(topic)
        return self._behind(known.head, payload, "payload"), known

    def many(
        self, bodies: Sequence[bytes], subjects: Sequence[Subject]
    ) -> tuple[list[bytes], list[Topic]]:
        """Many messages at once, each in one piece, whatever the limit for one is.

        Args:
            bodies, subjects: of each message.
        """
        young = self._topics.young
        try:
            topics = [young[subject] for subject in subjects]  # a `Topic` is no key: LookupError
            heads = [topic.head for topic in topics]
            known = self._headers
            headers = [known[size] for size in map(len, bodies)]
        except LookupError:  # a new topic, a whole message, or a large payload
            pairs = list(map(self._one_of_many, bodies, subjects))
            return [wire for wire, _ in pairs], [topic for _, topic in pairs]
        pieces = [heads, headers, bodies]
        if self._end:
            pieces.append([self._end] * len(bodies))
        return list(map(b"".join, zip(*pieces, strict=True))), topics

    def _one_of_many(self, body: bytes, subject: Subject) -> tuple[bytes, Topic]:
        if isinstance(subject, Topic):
            return body, self.known(subject)
        known = UNKNOWN if subject is None else self._topic(subject)
        return known.head + frame_header(len(body), self._flags) + body + self._end, known

    def known(self, topic: Topic) -> Topic:
        """The topic of the same name as it is known now: it may have left the table since."""
        if topic is UNKNOWN or not topic.is_known_by_name or len(topic.name) > INTERN_BYTES_MAX:
            return topic
        return self._topic(topic.name)

    def one_frame(self, frame: Bytes) -> tuple[Wire, Topic]:
        """A message of one frame, which is its topic too.

        Raises:
            TypeError, ConfigError, MessageTooLarge: as `two_frames`.
        """
        body = frame if type(frame) is bytes else as_bytes(frame, "frame")
        if body < ORDINARY:
            refuse_reserved(body)
        return self._behind(UNKNOWN.head, body, "frame"), UNKNOWN

    def frames(self, frames: Iterable[Bytes]) -> tuple[Wire, Topic]:
        """A message of many frames, the first of which is its topic.

        Raises:
            TypeError: a frame is not bytes-like, or `frames` is itself one frame, or no sequence.
            ValueError: there are no frames.
            ConfigError, MessageTooLarge: as `two_frames`.
        """
        parts = bodies_of(frames)
        is_one = len(parts) == 1
        if self._end:
            parts.append(bytes(NUMBER.size))
        wire = encode_message(parts)
        if self._limit is not None and len(wire) > self._limit:
            raise MessageTooLarge(len(wire), self._limit)
        if is_one:  # as by `send()`: each would be a topic of its own
            refuse_reserved(parts[0])
            return wire, UNKNOWN
        return wire, self._topic(parts[0])

    def _topic(self, topic: TopicLike) -> Topic:
        """The interned topic of an argument; one that is too long for that is matched by bytes."""
        name = topic if type(topic) is bytes else as_topic(topic)
        known = self._topics.young.get(name)
        if known is not None:
            return known
        refuse_reserved(name)  # so none is ever known
        if len(name) > INTERN_BYTES_MAX:
            return Topic(NOT_INTERNED, name)
        return self._intern(name)

    def _behind(self, head: bytes, value: Bytes, name: str) -> Wire:
        """A message of these wire bytes and a last frame, the argument `name`."""
        body = value if type(value) is bytes else as_bytes(value, name)
        head += frame_header(len(body), self._flags)
        end = self._end
        size = len(head) + len(body) + len(end)
        if self._limit is not None and size > self._limit:
            raise MessageTooLarge(size, self._limit)
        if self._in_pieces and len(body) >= COPY_ONCE_BYTES:
            return (head, body, end) if end else (head, body)
        return head + body + end
