"""Peers that speak CURVE honestly up to a point, and then attack: what each of them sends.

Each attack sends what nobody may, by chance, and returns where it ends: the reason that the
publisher has to give. Those in `ANYTHING` may be served, for what they do is not always wrong.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

from fanout import Reason
from fanout.security.sodium import Sodium
from fanout.zmtp.boxes import (
    CLIENT_TEXT,
    MESSAGE_HEAD,
    MESSAGE_OVERHEAD,
    SERVER_TEXT,
    KeyPair,
    count_nonce,
)
from fanout.zmtp.curve_client import CurveClient
from fanout.zmtp.frames import COMMAND, MORE
from tests.helpers.raw import command, frame
from tests.unit.zmtp import curve_vector as vector

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from fanout.zmtp.opener import Opener
    from fanout.zmtp.sealer import Sealer

PROPERTIES = b"\x0bSocket-Type\x00\x00\x00\x03SUB"
INBOUND_BYTES = 4096  # max_inbound_bytes of who is attacked
CUT_MAX = 40  # bytes that are left out, or come twice, at once

# Offsets in a frame: behind its header and the name of the command.
_HELLO = 2 + 6
_CLIENT_KEY = _HELLO + 2 + 72  # behind the version and the padding, which says nothing
_CLIENT_KEY_END = _CLIENT_KEY + 32
_INITIATE = 9 + 9
_COOKIE_END = _INITIATE + 96
_BODY = 2  # of a short frame


# Why keys do not fit, in a handshake; who has come through it has proven them.
UNPROVEN = "a box of [A-Z]+ does not open|has another cookie|vouches for another connection"


class End(NamedTuple):
    """How it must end."""

    text: str
    """A regular expression, of the reason."""

    cause: Reason = Reason.VIOLATION
    """Unless it is that keys do not fit."""

    def is_met(self, cause: Reason, reason: str) -> bool:
        """Whether it has ended so."""
        wanted = Reason.KEY if re.search(UNPROVEN, reason) else self.cause
        return cause is wanted and re.search(self.text, reason) is not None


class Spoken(Protocol):
    """What carries bytes to a publisher and back; as `RawPeer` has it."""

    def send(self, data: bytes) -> None: ...
    def send_if_open(self, data: bytes) -> None: ...
    def expect(self, data: bytes) -> None: ...
    def read_frame(self) -> tuple[int, bytes]: ...
    def close(self) -> None: ...


@cache
def sodium() -> Sodium:
    """One for all."""
    return Sodium()


class Talk:
    """A connection that is honest as far as it is asked to be. Owns what carries it.

    Args:
        connect: makes that.
        server: the public key of the publisher.
    """

    def __init__(self, connect: Callable[[], Spoken], server: bytes, rng: Random) -> None:
        self.rng = rng
        self._where = connect, server
        self._sodium = sodium()
        secret = rng.randbytes(32)
        keys = KeyPair(self._sodium.public_of(secret), secret)
        self._client = CurveClient(server, keys, self._sodium, rng.randbytes)
        self.hello = self._client.begin(lambda: PROPERTIES)
        self.initiate = b""  # from `welcome` on
        self.key = b""  # of the connection, from `serve` on
        self.sealer: Sealer
        self.opener: Opener
        self.count = 2  # of the last nonce, from `serve` on
        self.peer = connect()
        self.others: list[Talk] = []

    def greet(self) -> Talk:
        """Both greetings."""
        self.peer.send(vector.GREETING)
        self.peer.expect(vector.OUR_GREETING)
        return self

    def welcome(self) -> Talk:
        """HELLO and WELCOME; now INITIATE is known."""
        self.greet().peer.send(self.hello)
        _flags, body = self.peer.read_frame()
        self.initiate = self._client.receive(body).output
        return self

    def serve(self) -> Talk:
        """INITIATE and READY; now boxes may follow."""
        self.welcome().peer.send(self.initiate)
        _flags, body = self.peer.read_frame()
        assert self._client.receive(body).is_done
        self.key = self._client._key
        channel = self._client.encryption(INBOUND_BYTES)
        assert channel is not None
        self.sealer, self.opener = channel.sealer, channel.opener
        return self

    def another(self) -> Talk:
        """Another one, by other keys; it ends when this does."""
        self.others.append(Talk(*self._where, self.rng))
        return self.others[-1]

    def subscription(self) -> bytes:
        """A box that asks for what is never published."""
        topic = b"\xffnever" + self.rng.randbytes(self.rng.randrange(60))
        return self.sealer.seal(COMMAND, b"\x09SUBSCRIBE" + topic)

    def boxed(self, plain: bytes, count: int, text: bytes = CLIENT_TEXT, shown: int = 0) -> bytes:
        """A MESSAGE with any counter; it may show another one than it was made with."""
        short, nonce = count_nonce(text, count)
        box = self._sodium.seal(plain, nonce, self.key)
        return frame(MESSAGE_HEAD + (shown.to_bytes(8, "big") if shown else short) + box)

    def close(self) -> None:
        """Leave, without a word."""
        for one in (self, *self.others):
            one.peer.close()


def changed(rng: Random, data: bytes, begin: int, end: int | None = None) -> bytes:
    """The same with one bit of this part changed."""
    at = rng.randrange(begin, len(data) if end is None else end)
    return data[:at] + bytes((data[at] ^ 1 << rng.randrange(8),)) + data[at + 1 :]


def resized(rng: Random, whole: bytes, header: int) -> bytes:
    """A frame that has lost some of its end, or got more, and says so."""
    body = whole[header:]
    flags = whole[0] & ~2
    count = rng.randrange(1, CUT_MAX)
    return frame(body[:-count] if rng.random() < 0.5 else body + rng.randbytes(count), flags)


def mutated(rng: Random, data: bytes) -> bytes:
    """A stream with some faults."""
    for _ in range(rng.randrange(1, 4)):
        begin = rng.randrange(len(data))
        end = min(begin + rng.randrange(1, CUT_MAX), len(data))
        part = data[begin:end]
        new = rng.choice((b"", part * 2, part[::-1], rng.randbytes(rng.randrange(CUT_MAX))))
        data = (data[:begin] + new + data[end:]) or b"\0"
    return data


def greeting_changed(talk: Talk) -> End:
    talk.peer.send(changed(talk.rng, vector.GREETING, 12, 32))
    return End("this endpoint wants CURVE", Reason.MECHANISM)


def hello_changed(talk: Talk) -> End:
    ranges = ((_HELLO, _HELLO + 2), (_CLIENT_KEY, _CLIENT_KEY_END - 1), (_CLIENT_KEY_END, None))
    talk.greet().peer.send(changed(talk.rng, talk.hello, *talk.rng.choice(ranges)))
    return End("CURVE: .*HELLO")


def hello_of_no_key(talk: Talk) -> End:
    low = talk.rng.choice((bytes(32), b"\1" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"))
    hello = talk.hello[:_CLIENT_KEY] + low + talk.hello[_CLIENT_KEY_END:]
    talk.greet().peer.send(hello)
    return End("a box of HELLO does not open")


def hello_with_the_top_bit(talk: Talk) -> End:
    """X25519 does not see it: only the vouch shows it."""
    at = _CLIENT_KEY_END - 1
    hello = talk.hello[:at] + bytes((talk.hello[at] ^ 0x80,)) + talk.hello[at + 1 :]
    talk.hello = hello
    talk.welcome().peer.send(talk.initiate)
    return End("INITIATE vouches for another connection")


def hello_cut(talk: Talk) -> End:
    body = talk.hello[2 : -talk.rng.randrange(1, 190)]
    talk.greet().peer.send(frame(body, COMMAND))
    return End("HELLO has [0-9]+ bytes")


def hello_too_large(talk: Talk) -> End:
    size = talk.rng.randrange(201, 1 << talk.rng.randrange(8, 63))
    talk.greet().peer.send(b"\x06" + size.to_bytes(8, "big") + talk.hello[2:])
    return End("the limit is 200", Reason.LIMIT)


def hello_twice(talk: Talk) -> End:
    talk.greet().peer.send(talk.hello * 2)
    return End("another frame in place of INITIATE")


def initiate_first(talk: Talk) -> End:
    initiate = talk.another().welcome().initiate
    talk.greet().peer.send(initiate)
    return End("the limit is 200", Reason.LIMIT)


def initiate_changed(talk: Talk) -> End:
    talk.welcome().peer.send(changed(talk.rng, talk.initiate, _INITIATE))
    return End("CURVE: .*INITIATE")


def initiate_resized(talk: Talk) -> End:
    talk.welcome().peer.send(resized(talk.rng, talk.initiate, 9))
    return End("CURVE: .*INITIATE")


def initiate_replayed(talk: Talk) -> End:
    """All of another's, who may be served already."""
    other = talk.another()
    other.serve() if talk.rng.random() < 0.5 else other.welcome()
    talk.welcome().peer.send(other.initiate)
    return End("INITIATE has another cookie")


def cookie_reused(talk: Talk) -> End:
    cookie = talk.another().welcome().initiate[_INITIATE:_COOKIE_END]
    initiate = talk.welcome().initiate
    talk.peer.send(initiate[:_INITIATE] + cookie + initiate[_COOKIE_END:])
    return End("INITIATE has another cookie")


def cookie_with_boxes_of_another(talk: Talk) -> End:
    other = talk.another().welcome().initiate
    talk.welcome().peer.send(talk.initiate[:_COOKIE_END] + other[_COOKIE_END:])
    return End("a box of INITIATE does not open")


def initiate_twice(talk: Talk) -> End:
    talk.serve().peer.send(talk.initiate)
    return End("a frame that is no MESSAGE")


def initiate_and_more(talk: Talk) -> End:
    """It speaks before the verdict."""
    more = talk.welcome().initiate, command(b"SUBSCRIBE", b""), b"\0\x20part"
    talk.peer.send(talk.initiate + talk.rng.choice(more))
    return End("frame (before the peer was judged|in place of a verdict)")


def message_changed(talk: Talk) -> End:
    talk.serve().peer.send(changed(talk.rng, talk.subscription(), _BODY))
    return End("CURVE: .*MESSAGE")


def message_resized(talk: Talk) -> End:
    talk.serve().peer.send(resized(talk.rng, talk.subscription(), _BODY))
    return End("CURVE: .*MESSAGE")


def message_twice(talk: Talk) -> End:
    talk.serve().peer.send(talk.subscription() * 2)
    return End("the counter in MESSAGE does not rise")


def messages_swapped(talk: Talk) -> End:
    first, second = talk.serve().subscription(), talk.subscription()
    talk.peer.send(second + first)
    return End("the counter in MESSAGE does not rise")


def message_of_the_handshake(talk: Talk) -> End:
    """A box that opens, by a nonce whose number the handshake has had."""
    talk.serve().peer.send(talk.boxed(b"\x02\x09SUBSCRIBE", talk.rng.randrange(3)))
    return End("the counter in MESSAGE does not rise")


def message_of_another_nonce(talk: Talk) -> End:
    made = talk.rng.randrange(3, 100)
    shown = made + talk.rng.randrange(1, 1 << talk.rng.randrange(1, 60))
    talk.serve().peer.send(talk.boxed(b"\x02\x09SUBSCRIBE", made, shown=shown))
    return End("a MESSAGE that does not open")


def message_of_the_publisher(talk: Talk) -> End:
    talk.serve().peer.send(talk.boxed(b"\x02\x09SUBSCRIBE", 3, SERVER_TEXT))
    return End("a MESSAGE that does not open")


def message_of_another(talk: Talk) -> End:
    box = talk.another().serve().subscription()
    talk.serve().peer.send(box)
    return End("a MESSAGE that does not open")


def message_cut_out(talk: Talk) -> End:
    """A part of it is missing, and the next ones follow."""
    whole = talk.serve().subscription()
    begin = talk.rng.randrange(_BODY, len(whole))
    end = min(begin + talk.rng.randrange(1, CUT_MAX), len(whole))
    rest = talk.subscription() + talk.subscription()
    talk.peer.send(whole[:begin] + whole[end:] + rest)
    return End("CURVE: .*MESSAGE")


def message_too_short(talk: Talk) -> End:
    body = (MESSAGE_HEAD + talk.rng.randbytes(24))[: talk.rng.randrange(33)]
    talk.serve().peer.send(frame(body, talk.rng.choice((0, MORE, COMMAND))))
    return End("a frame that is no MESSAGE")


def message_too_large(talk: Talk) -> End:
    size = INBOUND_BYTES + MESSAGE_OVERHEAD + talk.rng.randrange(1, 1 << talk.rng.randrange(1, 62))
    talk.serve().peer.send(b"\x02" + size.to_bytes(8, "big") + MESSAGE_HEAD)
    return End("the limit is", Reason.LIMIT)


def in_clear(talk: Talk) -> End:
    clear = (command(b"SUBSCRIBE", b""), command(b"PING", b"\0\0x"), frame(b"\x01A"), frame(b""))
    talk.serve().peer.send(talk.rng.choice(clear))
    return End("a frame that is no MESSAGE")


def any_stream(talk: Talk) -> None:
    """Faults anywhere in what comes next, and then it leaves."""
    step = talk.rng.randrange(4)
    if step == 0:
        talk.peer.send_if_open(mutated(talk.rng, vector.GREETING + talk.hello))
    elif step == 1:
        talk.greet().peer.send_if_open(mutated(talk.rng, talk.hello))
    elif step == 2:
        talk.welcome().peer.send_if_open(mutated(talk.rng, talk.initiate))
    else:
        boxes = b"".join([talk.serve().subscription(), talk.subscription(), talk.subscription()])
        talk.peer.send_if_open(mutated(talk.rng, boxes))


def any_boxes(talk: Talk) -> None:
    """Who has the key may seal anything: cut commands, MORE without an end, flags that are none."""
    talk.serve()
    for count in range(3, 3 + talk.rng.randrange(1, 6)):
        said = talk.rng.choice((b"\x09SUBSCRIBE", b"\x06CANCEL", b"\x04PING", b"\x01", b"\0", b""))
        said = said[: talk.rng.randrange(len(said) + 1)] + talk.rng.randbytes(talk.rng.randrange(9))
        box = talk.boxed(bytes((talk.rng.choice((0, 1, 2, 3, 4, 255)),)) + said, count)
        outer = talk.rng.choice((0, 0, MORE, COMMAND))
        talk.peer.send_if_open(bytes((box[0] | outer,)) + box[1:])


BAD: tuple[Callable[[Talk], End], ...] = (
    greeting_changed,
    *(hello_changed, hello_of_no_key, hello_with_the_top_bit, hello_cut, hello_too_large),
    *(hello_twice, initiate_first, initiate_changed, initiate_resized, initiate_replayed),
    *(cookie_reused, cookie_with_boxes_of_another, initiate_twice, initiate_and_more),
    *(message_changed, message_resized, message_twice, messages_swapped, message_of_the_handshake),
    *(message_of_another_nonce, message_of_the_publisher, message_of_another, message_cut_out),
    *(message_too_short, message_too_large, in_clear),
)
ANYTHING: tuple[Callable[[Talk], None], ...] = (any_stream, any_boxes)
