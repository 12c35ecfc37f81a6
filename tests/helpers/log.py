"""A log in one process: writer and reader over a real segment."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from fanout.shm.layout import PAGE, Layout
from fanout.shm.log import LogWriter
from fanout.shm.reader import LogReader
from fanout.shm.segment import Segment
from fanout.shm.valued_log import ValuedLog
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.policy.choice import policy_of
from fanout.workers.stream.member import Member
from fanout.workers.stream.pump import Pump
from fanout.workers.stream.turn_part import TurnPart
from fanout.workers.tuning import TUNING, Tuning
from fanout.zmtp.frames import encode_message

if TYPE_CHECKING:
    from fanout.zmtp.encoding import Encoding

SMALL = Layout(16 * PAGE, 64, 4)  # 64 KiB: wraps after a few messages


class Log:
    """A segment with its writer, which keeps last values if there is room, and a reader."""

    def __init__(self, layout: Layout = SMALL) -> None:
        self.segment = Segment.create(layout)
        self.writer = (ValuedLog if layout.table.places else LogWriter)(self.segment)
        self.reader = LogReader(self.segment)

    def publish(self, *frames: bytes, topic_id: int = 0) -> int:
        """Append a message; its sequence."""
        self.writer.refresh([])
        return self.writer.append(encode_message(frames), topic_id)


class Sink:
    """The `send` of a member: takes at most `room` bytes in all."""

    def __init__(self, room: int = 1 << 40) -> None:
        self.room = room
        self.taken = b""
        self.broken = False

    def __call__(self, data: bytes | memoryview) -> int:
        if self.broken:
            raise ConnectionResetError(104, "Connection reset by peer")
        count = min(len(data), self.room)
        if not count:
            raise BlockingIOError
        self.room -= count
        self.taken += bytes(data[:count])
        return count


def always_late() -> TurnPart:
    """A part of a turn whose time is over whenever somebody looks at the clock."""
    return TurnPart(count(step=1 << 40).__next__)


class Worker:
    """A pump over a log, with members that have sinks."""

    def __init__(
        self,
        layout: Layout = SMALL,
        limit_bytes: int = 1 << 30,
        tuning: Tuning = TUNING,
        part: TurnPart | None = None,
    ) -> None:
        self.log = Log(layout)
        self.policy = policy_of(
            SlowPolicy(limit_bytes=limit_bytes), self.log.reader.size, layout.entries
        )
        self.pump = Pump(self.log.reader, tuning, part=part)
        self._next_id = 1

    def member(
        self, *prefixes: bytes, room: int = 1 << 40, encoding: Encoding | None = None
    ) -> tuple[Member, Sink]:
        """A new member with these subscriptions."""
        sink = Sink(room)
        member = Member(self._next_id, sink, self.policy)
        member.encoding = encoding
        self._next_id += 1
        self.pump.subscribe(member, prefixes)
        return member, sink

    def obey(self, member: Member, policy: SlowPolicy, now: int = 0) -> None:
        """The member has this policy from now on."""
        log = self.log.reader
        self.pump.set_policy(member, policy_of(policy, log.size, log.entries), now)

    def advance(self, now: int = 0) -> None:
        """Everything that was published, to everybody who takes it."""
        while self.pump.advance(self.log.reader.head(), now):
            continue

    def enforce(self, now: int = 0) -> None:
        """Judge everybody, to the end: some messages are looked at in a turn."""
        while self.pump.enforce(now):
            continue

    def serve(self, member: Member, now: int = 0) -> None:
        """Continue until its sink is full or it has everything."""
        self.pump.serve(member, now)
        while member in self.pump.runnable:
            self.pump.serve_runnable(now, 100)
