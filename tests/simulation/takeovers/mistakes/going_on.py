"""Ways to break where a lost stream goes on."""

from __future__ import annotations

import termios
from typing import TYPE_CHECKING, Any

from fanout.transport import kernel
from fanout.transport.kernel import Counts
from fanout.workers.connections.resuming import Resuming
from fanout.workers.stream.restoring import Restoring
from tests.simulation.takeovers.mistakes.known import replaces

if TYPE_CHECKING:
    from fanout.transport.socket_queues import SocketQueues
    from fanout.workers.stream.member import Member


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


@replaces(Resuming, "take")
def go_on_before_ones_front_is_there(original: Any, self: Resuming, *arguments: Any) -> None:
    original(self, *arguments)
    for one in self.waiting:
        one.head = 0


@replaces(kernel, "stream_counts")
def read_the_kernel_once(_original: Any, sock: Any, queues: SocketQueues) -> Counts | None:
    try:
        state, acknowledged, received = kernel.tcp_info(sock, kernel._STREAM)
    except OSError:
        return None
    if state not in (1, 8):
        return None
    unsent = queues.held(sock, termios.TIOCOUTQ)
    unread = queues.held(sock, termios.FIONREAD)
    return Counts(acknowledged + unsent, received - unread - (state == 8))


@replaces(Restoring, "_count_since")
def count_nothing_since_the_record(
    _original: Any, _self: Restoring, _member: Member, _front: int
) -> None:
    """It has matched nothing meanwhile."""
