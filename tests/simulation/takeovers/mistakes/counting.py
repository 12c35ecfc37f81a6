"""Ways to break what nobody but a worker counts: what the kernel does not."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from fanout.coordinator.handing_on import HandingOn
from fanout.shm import layout as at
from fanout.shm import own_counts
from fanout.shm.stream_record import StreamSlot
from fanout.transport import kernel
from fanout.transport.kernel import Counts
from fanout.workers.connections import resuming, unix_inbox
from fanout.workers.connections.unix_inbox import UnixInbox
from tests.simulation.takeovers.mistakes.known import replaces

if TYPE_CHECKING:
    from fanout.shm.worker_slot import WorkerSlot


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


@replaces(UnixInbox, "_discard")
def write_down_for_ever_that_one_takes(original: Any, self: UnixInbox, count: int) -> None:
    """Where nobody counts what is looked at, none of these goes on."""
    original(self, count)
    if count and kernel.looked_at(self._socket) is None:
        self._record.taking = self.taken


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
