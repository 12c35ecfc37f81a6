"""The bytes that one subscriber is sent: item by item, each as it must be."""

from __future__ import annotations

from tests.simulation.losing import Losing
from tests.simulation.telling import MARKER_HEAD, marker_bytes
from tests.simulation.violated import Violated, require
from tests.simulation.waiting import COMMAND

GREETING_BYTES = 64
LEGACY_GREETING_BYTES = 10  # ends where a ZMTP 1.0 peer takes the rest for messages


class Reading(Losing):
    """A stream that is read from the bytes which the socket took."""

    def take(self, now: int, *, of_log: bool = True) -> None:
        """Look at what the socket took since the last look.

        Args:
            of_log: whether what the system sends now is of a message, if a few bytes of it do not
                show that; what follows them will.
        """
        if not self.socket.accepted:
            return
        self.touch()
        self.progress_at = now
        self.partial += self.socket.accepted
        self.socket.accepted.clear()
        self._in_marker = False
        while self.partial and self._take_item(of_log=of_log):
            pass

    def _take_item(self, *, of_log: bool) -> bool:
        if not self._greeted:
            return self._take_greeting()
        if self._in_command:
            return self._take_command()
        self._in_marker = self._is_marker(of_log=of_log)
        if self._in_marker:
            return self._take_marker()
        if not self.queue:
            raise Violated(f"bytes that nothing stands for: {bytes(self.partial[:40])!r}")
        wire = self._as_read(self.queue[0])
        is_whole = len(wire) <= len(self.partial)
        same = self.partial.startswith(wire) if is_whole else wire.startswith(self.partial)
        if not same:
            raise Violated(self._mismatch(wire))
        self.telling.take_message(self.queue[0])
        if not is_whole:
            return False
        self._note_topic(self.queue.popleft())
        self.sent += 1
        self.message_bytes += len(wire)
        del self.partial[: len(wire)]
        return True

    def _is_marker(self, *, of_log: bool) -> bool:
        """Whether a marker begins here; no message has a topic of that length."""
        if self.legacy:
            return False
        before = self.kind.around[0]
        begun = self.partial[before : before + len(MARKER_HEAD)]
        if len(begun) == len(MARKER_HEAD) or not MARKER_HEAD.startswith(begun):
            return begun == MARKER_HEAD
        may_be_message = self.queue and self._as_read(self.queue[0]).startswith(self.partial)
        return not (may_be_message and of_log)

    def _take_marker(self) -> bool:
        around = self.kind.around
        size = marker_bytes(around, self.partial)
        if not 0 < size <= len(self.partial):
            return False
        last = self.telling.take_marker(self.partial[around[0] : size - around[1]], self.queue)
        wire = self.partial[around[0] : size - around[1]]
        same = self.partial[:size] == self.kind.read(last, bytes(wire))
        require(same, f"a marker that no such peer can read: {bytes(self.partial[:size])!r}")
        self.other_bytes += size
        del self.partial[:size]
        self._in_marker = False
        return True

    def _note_topic(self, sequence: int) -> None:
        interval = self.rules.interval
        if interval and sequence >= self._ruled_from:
            topic = self.message(sequence).topic
            passed = self.progress_at - self._last_sent.get(topic, -interval)
            if passed < interval:
                again = f"subscriber {self.id}: {topic!r} ({sequence}) again after {passed} ns"
                raise Violated(again)
            self._last_sent[topic] = self.progress_at

    def _mismatch(self, wire: bytes) -> str:
        got = bytes(self.partial[:40])
        return f"subscriber {self.id}: message {self.queue[0]} is {wire[:40]!r}, it got {got!r}"

    def _take_greeting(self) -> bool:
        greeting_bytes = LEGACY_GREETING_BYTES if self.legacy else GREETING_BYTES
        if len(self.partial) < greeting_bytes:
            return False
        require(self.partial[0] == 0xFF and self.partial[9] == 0x7F, "not a ZMTP greeting")
        self.other_bytes += greeting_bytes
        del self.partial[:greeting_bytes]
        self._greeted = True
        return True

    def _take_command(self) -> bool:
        if len(self.partial) < 2:
            return False
        require(self.partial[0] == COMMAND, f"flags {self.partial[0]:#x} of a command")
        size = 2 + self.partial[1]
        if len(self.partial) < size:
            return False
        body = bytes(self.partial[2:size])
        if body.startswith(b"\x04PONG"):
            require(bool(self.spoken), "a PONG that nothing asked for")
            require(body[5:] == self.spoken.popleft(), "a PONG with another context")
        else:
            require(body.startswith((b"\x05READY", b"\x04PING")), f"command {body!r}")
        self.other_bytes += size
        del self.partial[:size]
        return True
