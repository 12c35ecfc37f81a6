"""Ways to break streams: where each one goes on, and in which state it is."""

from __future__ import annotations

from typing import Any

from fanout.shm import layout as at
from fanout.workers.checkpoints import Checkpoints
from fanout.workers.connections.reading import ReadSide
from fanout.workers.stream.backlog import Backlog
from fanout.workers.stream.member import BLOCKED, HELD, LOST, READY, Member
from fanout.workers.stream.members import Members
from fanout.workers.stream.pump import Pump
from fanout.workers.stream.sorting import Sorting
from fanout.workers.tail import Tail
from tests.simulation.mutations.known import replaces
from tests.simulation.observed_pump import ObservedPump


@replaces(Members, "_block")
def lose_the_offset(
    original: Any, self: Members, member: Member, sequence: int, _offset: int, *rest: Any
) -> None:
    original(self, member, sequence, 0, *rest)


@replaces(Backlog, "detach")
def forget_the_spill(original: Any, self: Backlog, member: Member, front: int) -> None:
    original(self, member, front)
    member.spill = b""


@replaces(Backlog, "_send_spill")
def spill_from_its_start_again(original: Any, self: Backlog, member: Member) -> Any:
    before = member.spill
    step = original(self, member)
    if member.spill:
        member.spill = before
    return step


@replaces(Sorting, "joined")
def send_the_newest_first(original: Any, self: Sorting, picks: list[bytes], *encoding: Any) -> Any:
    return original(self, picks[::-1], *encoding)


@replaces(ReadSide, "_change")
def act_before_the_report(original: Any, self: ReadSide, peer: Any, said: Any) -> None:
    wants = peer.session.subscriptions
    self._pump.change(peer.member, wants, said.added, said.cancelled, 0)
    original(self, peer, said)


@replaces(ReadSide, "_apply_changes")
def act_although_the_report_waits(original: Any, self: ReadSide, now: int) -> None:
    for peer, change in self._changes.items():
        self._pump.change(peer.member, peer.session.subscriptions, *change, now)
    self._changes.clear()
    self._tail.promised.clear()
    original(self, now)


@replaces(Pump, "speak")
def speak_inside_a_message(
    original: Any, self: Pump, member: Member, data: bytes, now: int
) -> None:
    if member.blocked:
        try:
            count = member.send(data)
        except OSError:
            count = 0
        member.spoken_bytes += count
        data = data[count:]
    if data:
        original(self, member, data, now)


@replaces(Backlog, "settle")
def settle_from_where_the_log_was(original: Any, self: Backlog, member: Member, front: int) -> None:
    tail, self.tail = self.tail, 0
    try:
        original(self, member, front)
    finally:
        self.tail = tail


@replaces(Members, "move_tail")
def protect_one_message_too_few(original: Any, self: Members) -> int:
    return min(int(original(self)) + 1, self.front)


@replaces(Tail, "protect_front")
def promise_without_protection(_original: Any, self: Tail[Any]) -> None:
    if not self._pump.needs_log:
        self._pump.follow()


@replaces(Members, "_keep_until")
def forget_the_old_subscriptions(
    _original: Any, _self: Members, _member: Member, _sequence: int
) -> None:
    return


@replaces(Pump, "advance")
def write_the_publishers_word(original: Any, self: Pump, head: int, now: int) -> bool:
    self._log._words[at.H_WANTED] = 0
    more: bool = original(self, head, now)
    return more


@replaces(ObservedPump, "settle")
def answer_without_settling(_original: Any, _self: ObservedPump, _member: Member, **_: Any) -> None:
    return


@replaces(Checkpoints, "answer")
def answer_before_the_front_is_there(original: Any, self: Checkpoints, now: int) -> bool:
    self._asked = [(token, 0) for token, _head in self._asked]
    return bool(original(self, now))


@replaces(Pump, "serve")
def serve_the_held(original: Any, self: Pump, member: Member, now: int) -> None:
    state = member.state
    if state is HELD:
        member.state = BLOCKED
    original(self, member, now)
    if state is HELD and member.state is BLOCKED:
        member.state = HELD


@replaces(Members, "hold")
def hold_nobody(_original: Any, _self: Members, _member: Member) -> None:
    return


@replaces(Member, "become")
def go_on_with_the_lost(original: Any, self: Member, state: Any) -> None:
    original(self, BLOCKED if state is LOST and self.state is BLOCKED else state)


@replaces(Member, "become")
def let_the_lost_come_back(_original: Any, self: Member, state: Any) -> None:
    if self.state is LOST and state is LOST:
        state = READY
    self.state = state
    self.blocked = state is not READY
