"""Those who talk without end, as fast as they are listened to."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from soaking.crowds.base import READ, WRITE, Crowd
from soaking.crowds.wire import EMPTY_MESSAGE, PING, cancel, subscribe

if TYPE_CHECKING:
    from soaking.crowds.stranger import Stranger

SPEECH_BYTES = 64 * 1024  # said at once: the talker's own CPU is not what is measured


class Talkers(Crowd):
    """Each repeats its speech for ever, and reads what is answered."""

    returns = True
    speeches: ClassVar[tuple[bytes, ...]] = ()  # one for each, in turn

    def speech(self, index: int) -> bytes:
        """About so many bytes as are said at once."""
        once = self.speeches[index % len(self.speeches)]
        return once * max(1, SPEECH_BYTES // len(once))

    def settled(self, stranger: Stranger) -> None:
        self.watch(stranger, READ | WRITE)

    def readable(self, stranger: Stranger) -> None:
        stranger.discard()

    def writable(self, stranger: Stranger) -> None:
        stranger.say(self.speech(stranger.index))


class Churner(Talkers):
    """The first one subscribes and cancels in turn; the others hold 255 lengths of prefixes."""

    speeches = (subscribe((b"C",)) + cancel((b"C",)),)
    LENGTHS = 255

    def wants(self, index: int) -> bytes:
        if not index:
            return b""
        return subscribe(b"~" * length + b"!" for length in range(self.LENGTHS))

    def settled(self, stranger: Stranger) -> None:
        if not stranger.index:
            super().settled(stranger)
        else:
            self.watch(stranger, READ)


class Chatterers(Talkers):
    """Half of them send PINGs and read the answers, half the shortest frame there is."""

    speeches = (PING, EMPTY_MESSAGE)
