"""Ways to break takeovers on purpose, one for each way in which a stream can be lost.

Each is a small, plausible mistake. `MISTAKES` maps its name to what replaces what.
"""

from __future__ import annotations

import socket
import termios
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from fanout.control.splitting import split_wants
from fanout.coordinator.areas import Areas
from fanout.coordinator.handing_on import HandingOn
from fanout.coordinator.interest import Interest
from fanout.coordinator.roster import Roster
from fanout.shm import last_known, own_counts
from fanout.shm import layout as at
from fanout.shm.stream_record import Kind, StreamSlot
from fanout.shm.subscriber_slot import SubscriberSlot
from fanout.shm.worker_slot import NO_TAIL, Tails, WorkerSlot
from fanout.transport import kernel
from fanout.transport.kernel import Counts
from fanout.workers.connections import resuming, unix_inbox
from fanout.workers.connections.inbox import Inbox
from fanout.workers.connections.reading import ReadSide
from fanout.workers.connections.records import Records
from fanout.workers.connections.replays import Replays
from fanout.workers.connections.resuming import Resuming
from fanout.workers.connections.self_service import SelfService
from fanout.workers.connections.unix_inbox import UnixInbox
from fanout.workers.stream import restoring, shown
from fanout.workers.stream.gaps import Gaps
from fanout.workers.stream.losing import Losing
from fanout.workers.stream.replaying import Replaying
from fanout.workers.stream.restoring import Restoring
from fanout.workers.stream.showing import Showing
from tests.helpers.replacing import replacing

if TYPE_CHECKING:
    from fanout.shm.stream_record import StreamRecord
    from fanout.workers.connections.peer import Peer
    from fanout.workers.stream.loads import Load
    from fanout.workers.stream.member import Member
    from fanout.workers.stream.shown import Standing
    from fanout.workers.stream.snapshot import Snapshot

Mutation = tuple[Any, str, Any]
MISTAKES: dict[str, Mutation] = {}
mistake = replacing(MISTAKES)
replaces = replacing(MISTAKES)


# From where one goes on.


@replaces(Restoring, "restore")
def begin_a_byte_early(
    original: Any,
    self: Restoring,
    member: Member,
    record: Any,
    written: int,
    *rest: Any,
    **more: Any,
) -> Any:
    return original(self, member, record, written - 1, *rest, **more)


@replaces(Restoring, "restore")
def search_only_above_ones_own_tail(
    original: Any, self: Restoring, member: Member, *arguments: Any, **more: Any
) -> Any:
    tail = self.backlog.tail
    broken: Any = self
    change = self._change_cohort

    def changed(*wants: Any) -> None:
        self.backlog.tail = tail
        change(*wants)

    broken._change_cohort = changed
    try:
        return original(self, member, *arguments, **more)
    finally:
        del broken._change_cohort


@replaces(kernel, "stream_counts")
def read_the_kernel_once(_original: Any, sock: Any) -> Counts | None:
    try:
        state, acknowledged, received = kernel._tcp_info(sock)
    except OSError:
        return None
    if state not in (1, 8):
        return None
    unsent = kernel._asked(sock, termios.TIOCOUTQ)
    unread = kernel._asked(sock, termios.FIONREAD)
    return Counts(acknowledged + unsent, received - unread - (state == 8))


@replaces(Restoring, "_count_since")
def count_nothing_since_the_record(
    _original: Any, _self: Restoring, _member: Member, _front: int
) -> None:
    """It has matched nothing meanwhile."""


# In the middle of last values.


@replaces(shown, "_standing")
def begin_last_values_again(original: Any, one: Snapshot, keep: Any) -> Standing:
    standing: Standing = original(one, keep)
    return standing._replace(passed=-1)


@replaces(Showing, "_note")
def find_what_was_being_sent_anew(
    _original: Any, self: Showing, member: Member, _snapshot: Snapshot, _load: Load
) -> None:
    self._losing.turned(member)


@replaces(Showing, "_note")
def send_last_values_without_a_record(
    _original: Any, _self: Showing, _member: Member, _snapshot: Snapshot, _load: Load
) -> None:
    """What it is sent follows from nothing."""


@replaces(shown, "_snapshot")
def tell_again_that_they_begin(original: Any, *stands: Any) -> Snapshot:
    made: Snapshot = original(*stands)
    made.is_begun = False
    return made


@replaces(shown, "_snapshot")
def forget_the_part_of_the_names(original: Any, *stands: Any) -> Snapshot:
    made: Snapshot = original(*stands)
    made.part = None
    return made


@replaces(Replays, "_show")
def show_as_of_the_front(
    original: Any, self: Replays, peer: Peer, change: Any, _due: int, now: int
) -> None:
    original(self, peer, change, self._pump.front, now)


@replaces(Records, "_add_more")
def leave_the_rest_of_a_last_value_to_the_log(
    original: Any, self: Records, peer: Peer, record: Any
) -> Any:
    made, pointed_to = original(self, peer, record)
    return (made._replace(copy=0) if peer.member.snapshots else made), pointed_to


# What is written down, and when.


@replaces(Records, "write")
def say_without_a_record_to_who_is_ready(
    original: Any, self: Records, peer: Peer, *, said: bytes = b"", **rest: Any
) -> None:
    if not said or peer.member.blocked:
        original(self, peer, said=said, **rest)


@replaces(Records, "write")
def say_without_a_record_to_who_is_blocked(
    original: Any, self: Records, peer: Peer, *, said: bytes = b"", **rest: Any
) -> None:
    if not said or not peer.member.blocked:
        original(self, peer, said=said, **rest)


@replaces(Records, "write")
def change_without_a_record(
    original: Any, self: Records, peer: Peer, *, will_want: bool = False, **rest: Any
) -> None:
    if not will_want:
        original(self, peer, **rest)


@replaces(Records, "note_jumps")
def jump_without_a_record(_original: Any, self: Records) -> None:
    self._pump.jumped.clear()


@replaces(StreamSlot, "write")
def choose_a_bank_before_it_is_written(
    original: Any, self: StreamSlot, record: StreamRecord
) -> None:
    count = self.words[at.S_BANK]
    self.words[at.S_BANK] = count + 1
    banks, self._banks = self._banks, self._banks[::-1]
    try:
        original(self, record)
        self.words[at.S_BANK] = count + 1
    finally:
        self._banks = banks


@replaces(StreamSlot, "write")
def write_into_the_bank_that_is_chosen(
    original: Any, self: StreamSlot, record: StreamRecord
) -> None:
    banks, self._banks = self._banks, self._banks[::-1]
    original(self, record)
    self._banks = banks


@replaces(SubscriberSlot, "checkpoint")
def leave_a_checkpoint_torn(original: Any, self: SubscriberSlot, checkpoint: Any) -> None:
    """Who reads it waits for who is dead."""
    was_torn = self.is_torn
    original(self, checkpoint)
    self.words[at.S_VERSION] += was_torn


# What the log must keep.


@replaces(HandingOn, "_keep_log")
def hold_nothing(_original: Any, _self: HandingOn) -> None:
    """The log is let go of with the words of the lost worker."""


@replaces(Tails, "read")
def keep_nothing_for_records(_original: Any, self: Tails) -> list[int]:
    return [self._words[slot + at.W_TAIL] for slot in self._slots]


@replaces(Records, "write")
def keep_only_what_the_newest_record_needs(
    original: Any, self: Records, peer: Peer, **rest: Any
) -> None:
    original(self, peer, **rest)
    self._slot.resume = peer.recorded


@replaces(Tails, "look")
def look_at_the_hold_once(_original: Any, self: Tails) -> tuple[list[int], int]:
    hold = self._words[at.H_HOLD]
    return self.read(), hold


@replaces(HandingOn, "lose")
def let_go_before_it_is_held(
    original: Any, self: HandingOn, worker: int, *arguments: Any
) -> list[Any]:
    slot = WorkerSlot(self._segment, worker)
    tail, resume = slot.tail, slot.resume
    slot.tail = slot.resume = NO_TAIL
    slot.tail, slot.resume = tail, resume
    found: list[Any] = original(self, worker, *arguments)
    return found


@replaces(Resuming, "_go_on")
def write_no_record_of_who_goes_on(original: Any, self: Resuming, *arguments: Any) -> None:
    records: Any = self._desk.records
    records.write = lambda *_, **__: None
    try:
        original(self, *arguments)
    finally:
        del records.write


# What the kernel does not count.


@replaces(unix_inbox, "counted")
def send_without_saying_to_whom(
    original: Any, send: Any, worker: WorkerSlot, stream: StreamSlot
) -> Any:
    del worker
    nobody: Any = SimpleNamespace(words=[0] * at.WC_PID)
    return original(send, nobody, stream)


@replaces(unix_inbox, "counted")
def count_before_it_is_sent(
    _original: Any, send: Any, worker: WorkerSlot, stream: StreamSlot
) -> Any:
    def send_and_count(data: Any) -> int:
        count = 0

        def noted(some: Any) -> int:
            nonlocal count
            count = len(some)
            return count

        handed = stream.words[at.S_HANDED]
        own_counts.counted(noted, worker, stream)(data)
        try:
            done = int(send(data))
        except OSError:
            stream.words[at.S_HANDED] = handed or stream.words[at.S_HANDED] - count
            raise
        stream.words[at.S_HANDED] -= count - done
        return done

    own_counts.counted(send, worker, stream)
    return send_and_count


@replaces(HandingOn, "_may_have_sent")
def go_on_with_whom_it_was_sending_to(_original: Any, *_arguments: Any) -> bool:
    return False


@replaces(HandingOn, "_may_have_sent")
def close_all_if_it_was_sending_to_one(
    _original: Any, self: HandingOn, sending: int, connection: Any
) -> bool:
    handed = StreamSlot(self._segment, connection.slot).words[at.S_HANDED]
    return sending != 0 and handed != 0


@replaces(unix_inbox, "counted")
def take_nothing_back_if_it_takes_nothing(
    original: Any, send: Any, worker: WorkerSlot, stream: StreamSlot
) -> Any:
    counting = original(send, worker, stream)

    def send_and_count(data: Any) -> int:
        try:
            return int(counting(data))
        except OSError:
            worker.words[at.W_SENDING] = stream.words[at.S_HANDED]
            raise

    return send_and_count


@replaces(UnixInbox, "_discard")
def take_without_writing_down_how_much(original: Any, self: UnixInbox, count: int) -> None:
    taken = self._record.taken
    original(self, count)
    self._record.taken = taken


@replaces(resuming, "own_counts")
def believe_what_was_taken_before(_original: Any, _sock: Any, record: StreamSlot) -> Counts | None:
    written = own_counts.handed(record)
    return None if written is None else Counts(written, record.taken)


@replaces(kernel, "look_from_start")
def look_on_where_the_lost_one_was(_original: Any, sock: Any) -> bool:
    if kernel.looked_at(sock) is None:
        sock.setsockopt(socket.SOL_SOCKET, kernel._SO_PEEK_OFF, 0)
    return True


@replaces(HandingOn, "lose")
def count_nobody_who_is_closed(original: Any, self: HandingOn, *arguments: Any) -> list[Any]:
    before = self._state.ledger.not_resumed
    found: list[Any] = original(self, *arguments)
    self._state.ledger.not_resumed = before
    return found


# Who wants what, and what was said.


@replaces(HandingOn, "_wants_of")
def hand_on_what_it_wants_now_only(_original: Any, self: HandingOn, connection: Any) -> Any:
    wanted = sorted(self._state.interest.prefixes(connection.subscriber))
    return iter(split_wants(connection.subscriber, 0, wanted, []))


@replaces(Interest, "move")
def leave_interest_with_the_lost(
    _original: Any, _self: Interest, _subscriber: int, _worker: int
) -> None:
    """The publisher rings for a worker that has it no more."""


@replaces(Inbox, "look")
def take_before_one_acts(original: Any, self: Inbox, data: bytes, room: int) -> Any:
    events = original(self, data, room)
    self.has_acted()
    self.take()
    return events


@replaces(ReadSide, "_apply_changes")
def hold_all_if_the_report_of_one_waits(original: Any, self: ReadSide, now: int) -> None:
    """Also those whose reports are out: what they lose then is not what was reported."""
    self._channel.flush()
    if self._channel.pending:
        last = self._channel.posted
        for peer, reported in self._reported.items():
            self._reported[peer] = reported._replace(number=last)
    original(self, now)


@replaces(Roster, "orphan")
def leave_orphans_with_the_lost(_original: Any, _self: Roster, _subscriber: int) -> None:
    """They are counted, and ended, with what it leaves."""


# What a worker knows beside that, by the policy of somebody.


@replaces(Records, "_note_turn")
def conflate_without_a_record(_original: Any, _self: Records, _member: Member) -> None:
    """Which messages are left is what another worker finds to be the newest."""


@replaces(Restoring, "_take_segments")
def forget_which_messages_are_left(_original: Any, *_arguments: Any) -> None:
    """It is to get all that it wants."""


@replaces(Losing, "lose_since")
def count_no_losses_since_the_record(_original: Any, *_arguments: Any) -> None:
    """Who loses what comes has lost it, and nobody says so."""


@replaces(Gaps, "note")
def remember_only_the_last_gap(original: Any, self: Gaps, *arguments: Any) -> None:
    self.pending.clear()
    original(self, *arguments)


@replaces(restoring, "gaps_of")
def forget_the_gaps(original: Any, more: Any, epoch: int) -> Any:
    gaps = original(more, epoch)
    if gaps is not None:
        gaps.pending.clear()
    return gaps


@replaces(Restoring, "_send_again")
def rest_only_as_recorded(original: Any, *arguments: Any) -> bool:
    original(*arguments)
    return False


@replaces(Restoring, "go_by")
def forget_that_it_rests(
    original: Any, self: Restoring, member: Member, policy: Any, now: int, _until: int = 0
) -> None:
    original(self, member, policy, now)


@replaces(HandingOn, "_resume_of")
def hand_on_the_policy_of_all(original: Any, self: HandingOn, *arguments: Any) -> Any:
    choices: Any = self._state.choices
    choices.policy_of = lambda _subscriber: choices._default.policy
    try:
        return original(self, *arguments)
    finally:
        del choices.policy_of


@replaces(Resuming, "after")
def lose_what_is_ordered_for_who_comes(_original: Any, *_arguments: Any) -> bool:
    return True


@replaces(SelfService, "go_on")
def forget_what_it_has_said(_original: Any, *_arguments: Any, **_more: Any) -> None:
    """It is as if it had never said anything of itself."""


@replaces(SelfService, "go_on")
def tell_nobody_that_it_has_taken_all_back(
    original: Any, self: SelfService, subscriber: int, said: Any, **_more: Any
) -> None:
    original(self, subscriber, said)


@replaces(Areas, "give")
def give_the_area_of_the_lost(_original: Any, _self: Areas, worker: int) -> int:
    return worker + 1


@replaces(Records, "leave")
def free_at_once_what_others_go_on_by(_original: Any, _self: Records, _peer: Peer) -> None:
    """What its record points to is overwritten."""


@replaces(Records, "_add_more")
def point_to_nothing_without_memory(original: Any, self: Records, peer: Peer, record: Any) -> Any:
    found, pointed_to = original(self, peer, record)
    return (record, pointed_to) if found.kind == Kind.NO_ROOM else (found, pointed_to)


@replaces(last_known, "_is_newer")
def believe_a_checkpoint_of_before(_original: Any, *_arguments: Any) -> bool:
    """What was lost since counts as sent."""
    return False


# What somebody has missed.


@replaces(Replaying, "end_replay")
def let_its_own_policy_wait(original: Any, self: Replaying, member: Member) -> None:
    """Until it has got something behind what it has missed."""
    if member.replay is None or member.sequence > member.replay.until:
        original(self, member)


@replaces(restoring, "replay_of")
def forget_that_it_is_catching_up(_original: Any, _more: Any) -> None:
    return None


@replaces(restoring, "mark_in")
def forget_where_that_ends(_original: Any, _more: Any) -> None:
    return None


@replaces(Replaying, "replay")
def begin_a_message_late(
    original: Any, self: Replaying, member: Member, first: int, *rest: Any
) -> None:
    original(self, member, first + 1, *rest)


@replaces(Losing, "count_replayed")
def count_nothing_that_it_jumps_over(_original: Any, *_arguments: Any) -> None:
    """It has matched less than it has lost."""
