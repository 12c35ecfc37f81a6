"""The verbs: each makes the bytes that it says, hands its timeout on, and refuses before that."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgpack
import pytest

from fanout.errors import Again
from fanout.send.attempt import attempt_message
from fanout.send.verbs import Verbs, no_room
from fanout.send.wire import Encoder
from fanout.zmtp.frames import encode_message
from tests.unit.send.line import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fanout.send.topics import Topic
    from fanout.send.wire import Wire
from fanout.statistics import InTheWay


class Sender(Verbs[int]):
    """Appends at once; keeps the timeouts that it was given."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.timeouts: list[float | None] = []
        self._encoder = Encoder(line.path.topics, line.path.intern, None, in_pieces=True)

    def _encoding(self) -> Encoder:
        return self._encoder

    def _send(self, message: tuple[Wire, Topic], timeout: float | None) -> int:
        self.timeouts.append(timeout)
        return attempt_message(self.line.path, *message).append()


@pytest.fixture
def sender() -> Iterator[Sender]:
    with Line() as line:
        yield Sender(line)


VALUE = {"a": [1, "ü", None]}
AS_JSON, AS_MSGPACK = json.dumps(VALUE).encode(), msgpack.packb(VALUE)

GOOD: dict[str, tuple[str, list[Any], dict[str, Any], list[bytes]]] = {
    "publish": ("publish", ["t", b"x"], {}, [b"t", b"x"]),
    "send": ("send", [bytearray(b"x")], {}, [b"x"]),
    "send_multipart": ("send_multipart", [[b"t", b"", b"x"]], {}, [b"t", b"", b"x"]),
    "send_string": ("send_string", ["tü"], {}, ["tü".encode()]),
    "encoding": ("send_string", ["ü"], {"encoding": "latin-1"}, [b"\xfc"]),
    "send_json": ("send_json", [VALUE], {}, [AS_JSON]),
    "send_json, topic": ("send_json", [VALUE], {"topic": b"t"}, [b"t", AS_JSON]),
    "send_json, empty topic": ("send_json", [VALUE], {"topic": ""}, [b"", AS_JSON]),
    "send_msgpack": ("send_msgpack", [VALUE], {}, [AS_MSGPACK]),
    "send_msgpack, topic": ("send_msgpack", [VALUE], {"topic": "t"}, [b"t", AS_MSGPACK]),
}


@pytest.mark.parametrize(("verb", "arguments", "keywords", "frames"), GOOD.values(), ids=GOOD)
def test_a_verb_sends_its_frames_and_hands_its_timeout_on(
    sender: Sender,
    verb: str,
    arguments: list[Any],
    keywords: dict[str, Any],
    frames: list[bytes],
) -> None:
    send: Callable[..., int] = getattr(sender, verb)

    assert send(*arguments, **keywords) == 0, "what sending returned"
    assert send(*arguments, **keywords, timeout=1.5) == 1

    assert sender.line.written() == [encode_message(frames)] * 2
    assert sender.timeouts == [None, 1.5]


VERBS: dict[str, Any] = {
    "send": b"x",
    "send_multipart": [b"x"],
    "send_string": "x",
    "send_json": VALUE,
    "send_msgpack": VALUE,
}


@pytest.mark.parametrize(("verb", "argument"), VERBS.items(), ids=VERBS)
def test_what_pyzmq_takes_is_refused_by_name(sender: Sender, verb: str, argument: Any) -> None:
    send: Callable[..., int] = getattr(sender, verb)

    with pytest.raises(TypeError, match="NOBLOCK is timeout=0"):
        send(argument, flags=1)
    with pytest.raises(TypeError, match=rf"{verb}\(\)"):
        send(argument, unknown=1)
    with pytest.raises(TypeError, match=verb):
        send(argument, 1)

    assert sender.timeouts == []


BAD: dict[str, tuple[str, list[Any], type[Exception], str]] = {
    "text": ("send_string", [b"x"], TypeError, "text must be str, not bytes"),
    "no frames": ("send_multipart", [[]], ValueError, "empty"),
    "frame": ("send", ["x"], TypeError, "frame"),
    "payload": ("publish", [b"t", "x"], TypeError, "payload"),
    "no JSON": ("send_json", [{1, 2}], TypeError, "JSON"),
    "NaN": ("send_json", [[float("nan")]], ValueError, "put None in the place of NaN and inf"),
    "infinity": ("send_json", [{"a": float("-inf")}], ValueError, "value cannot be JSON"),
    "no msgpack": ("send_msgpack", [{1, 2}], TypeError, "serialize"),
}


@pytest.mark.parametrize(("verb", "arguments", "error", "text"), BAD.values(), ids=BAD)
def test_what_cannot_be_sent_is_refused(
    sender: Sender, verb: str, arguments: list[Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        getattr(sender, verb)(*arguments)

    assert sender.timeouts == []
    assert sender.line.written() == []


def test_no_room_says_how_long_was_waited() -> None:
    error = no_room(0.25, None)

    assert isinstance(error, Again)
    assert "no room in the log within 0.25 s" in str(error)
    assert "nothing was sent" in str(error)
    assert error.subscriber is None


def test_no_room_says_that_somebody_is_over_a_limit() -> None:
    error = no_room(0.25, InTheWay(7, "10.0.0.5:4711", "desk7", "block limit_messages=5"))

    assert error.subscriber == 7
    assert str(error) == (
        "held up for 0.25 s: subscriber 7 (desk7, 10.0.0.5:4711) is at a limit of its policy "
        "(block limit_messages=5); nothing was sent"
    )


def test_no_room_names_who_is_in_the_way() -> None:
    error = no_room(0.25, InTheWay(7, "10.0.0.5:4711", ""))

    assert "within 0.25 s: subscriber 7 (10.0.0.5:4711) does not keep up" in str(error)
    assert error.subscriber == 7
