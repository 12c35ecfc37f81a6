"""What a subscriber says: the commands of a peer, and something of itself."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from tests.simulation.peers import LEGACY_HELLO, PREFIXES, SUBSCRIBER_HELLO, command, wanting
from tests.simulation.saying import Statement, random_statements
from tests.simulation.takeovers.frames import frame_at
from tests.simulation.takeovers.missing import Chosen
from tests.simulation.telling import ALL, LOSSES

if TYPE_CHECKING:
    from random import Random

    from tests.simulation.catching_up import CatchingUp
    from tests.simulation.kernel import Connection
    from tests.simulation.takeovers.missing import House, Missing

GREETING_BYTES = 64
GAPS = {b"gap": LOSSES, b"gap=all": ALL}


class Speaking:
    """The half of a subscriber that speaks.

    Args:
        house: what is the same for all.
        chatty: how often it says something of itself, of all that it says.
        catching_up: what it has missed, if it asks for that; then it subscribes once.

    Attributes:
        wants: as it has said so far.
        is_leaving: whether it has ended its stream, or broken it off.
        is_half_closed: whether it has ended its stream, and reads on.
        said: what it has said, as far as it has come to the other side.
        is_welcome: the system has said that it is connected.
        pings: without an answer.
        chosen: the policies that it has had.
        missing: what it does not get; set by the half that checks it.
    """

    missing: Missing

    def __init__(
        self,
        connection: Connection,
        house: House,
        rng: Random,
        *,
        legacy: bool,
        chatty: float,
        catching_up: CatchingUp | None,
    ) -> None:
        self.connection = connection
        self.legacy = legacy
        self.chosen = Chosen(house)
        self.catching_up = catching_up
        self._chatty = 0.0 if legacy else chatty
        self.wants: set[bytes] = {b""} if legacy else set()
        self.is_leaving = self.is_welcome = self.is_half_closed = False
        self.said = bytearray()
        self.unsaid = bytearray(LEGACY_HELLO if legacy else SUBSCRIBER_HELLO)
        self.pings: deque[bytes] = deque()
        self._pinged = self.owed_bytes = 0
        self._greeted = 0  # parts of the greeting that have come
        self._rng = rng

    def _begin(self) -> None:
        """It says what it says before anything else."""
        rng, catching_up = self._rng, self.catching_up
        if rng.random() < 2 * self._chatty:
            text = rng.choice((*GAPS,))
            self.missing.level = GAPS[text]
            self._say(Statement(wanted=True, text=text))
        if catching_up is not None:
            self._say(Statement(wanted=True, text=catching_up.since.text))
            if catching_up.is_told:
                self._say(Statement(wanted=True, text=b"since"))
            self._subscribe(catching_up.prefix)

    def talk(self) -> None:
        """It says something at random, of which nothing may have come yet."""
        rng = self._rng
        if self.legacy or self.is_half_closed:
            return
        for _ in range(rng.choice((1, 1, 2, 4))):
            kind = rng.random()
            prefix = rng.choice(PREFIXES)
            if rng.random() < self._chatty:
                self._say_some()
            elif kind < 0.35 or (self.catching_up is not None and self.catching_up.until < 0):
                self.ping()
            elif kind < 0.8 and self.catching_up is None:
                self._subscribe(prefix)
            else:
                self.unsaid += command(b"\x06CANCEL" + prefix)
                self.wants.discard(prefix)

    def _subscribe(self, prefix: bytes) -> None:
        self.unsaid += command(b"\x09SUBSCRIBE" + prefix)
        self.wants.add(prefix)

    def _say_some(self) -> None:
        """It says something of itself; seldom that it wants to be told of something else."""
        may_change = self._rng.random() < 0.1
        for one in random_statements(self._rng):
            if one.text not in GAPS or may_change:
                self.missing.is_sure = self.missing.is_sure and one.text not in GAPS
                self._say(one)

    def take_all_back(self) -> bool:
        """It takes back all that it has chosen; whether there was something."""
        chosen = [text for text in self.chosen.said.texts if text not in GAPS]
        if self.legacy or not self.is_welcome or not chosen:
            return False
        for text in chosen:
            self._say(Statement(wanted=False, text=text))
        return True

    def _say(self, statement: Statement) -> None:
        self.chosen.say(statement)
        self.unsaid += wanting(self._rng, *statement)

    def ping(self) -> None:
        """It asks for a sign of life, with a running number."""
        self._pinged += 1
        context = b"%d" % self._pinged
        context = context.rjust(self._rng.choice((len(context), 4, 16)), b"0")
        self.pings.append(context)
        self.note_owed()
        self.unsaid += command(b"\x04PING\0\0" + context)

    def send(self, most: int) -> None:
        """Up to so many bytes of what it says come to the other side."""
        count = self.connection.say(bytes(self.unsaid[:most]))
        self.said += self.unsaid[:count]
        del self.unsaid[:count]

    @property
    def frames_from(self) -> int:
        """Bytes that it has said before the frames, by which it is known where these end."""
        return len(LEGACY_HELLO if self.legacy else SUBSCRIBER_HELLO)

    @property
    def is_taken_whole(self) -> bool:
        """Whether what was taken of what it has said ends with a frame."""
        taken, at = len(self.said) - self.connection.inq, self.frames_from
        while at < taken:
            found = frame_at(self.said, at, legacy=False)
            if found is None:
                return False
            at = found.end
        return at == taken

    def end_its_side(self) -> None:
        """It ends its stream, if all that it has to say has come, and reads on."""
        if self.is_welcome and not (self.unsaid or self.legacy or self.is_leaving):
            self.is_half_closed = True
            self.connection.end()

    def leave(self) -> None:
        """It ends its stream, or breaks it off."""
        self.is_leaving = True
        self.unsaid.clear()
        if self._rng.random() < 0.5:
            self.connection.hang_up()
        else:
            self.connection.reset()

    def note_owed(self) -> None:
        """How much is to be said to it now, beside messages, at least."""
        greeting = 0 if self._greeted == 2 else GREETING_BYTES
        owed = greeting + sum(len(context) + 7 for context in self.pings)
        self.owed_bytes = max(owed, self.owed_bytes)
