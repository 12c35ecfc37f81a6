"""The end of a worker: nobody is closed whose final figures would be lost."""

from __future__ import annotations

import select
import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from fanout.basics.units import NS
from fanout.control.messages import Adopt, Closed
from fanout.options import Options
from fanout.reasons import Reason
from fanout.workers.connections.desk import Desk
from fanout.workers.connections.ending import Ending
from fanout.workers.connections.watched import SocketSets
from fanout.workers.policy.block import Block
from fanout.workers.stream.pump import Pump
from fanout.workers.stream.turn_part import without_clock
from fanout.workers.tail import Tail
from fanout.workers.tuning import TUNING
from tests.helpers.around import Around
from tests.helpers.log import SMALL
from tests.helpers.taking_over import TakingOver
from tests.helpers.ticking import Ticking
from tests.helpers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fanout.workers.connections.peer import Peer


class EndingDesk:
    """A desk with peers that have everything, and a channel that holds one report."""

    def __init__(self, peers: int) -> None:
        self.around = Around(SMALL)
        self.channel = self.around.channel
        pump = Pump(self.around.log)
        tail: Tail[Peer] = Tail(self.around, pump, lambda: None, lambda *_: None)
        self.sets = select.epoll(), select.epoll()
        watched = SocketSets(*self.sets)
        self.desk = Desk(self.around, Options(), Block(), pump, tail, watched)
        self.ends: list[socket.socket] = []
        for number in range(peers):
            ours, far = socket.socketpair()
            ours.setblocking(False)
            self.around.sockets[ours.fileno()] = ours
            self.desk.adopt(Adopt(number, number, "zmtp"), [ours.fileno()])
            self.desk.greet(0)
            self.desk.connected(self.desk.peers[number], "3.1")
            far.recv(4096)  # what we greet with; nothing is left in the kernel
            self.ends.append(far)
        self.channel.flush()
        self.channel.sent.clear()
        self.channel.stuck = True

    @property
    def peers(self) -> dict[int, Peer]:
        return self.desk.peers

    def let_reports_out(self) -> None:
        """The coordinator has read one."""
        self.channel.stuck = False
        self.channel.flush()
        self.channel.stuck = True

    def close(self) -> None:
        """All that was reported is the end."""
        for report in self.channel.sent + self.channel.waiting:
            assert isinstance(report, Closed)
            assert report.cause == Reason.PUBLISHER_CLOSED.number
        for far in self.ends:
            far.close()
        for one in self.sets:
            one.close()
        self.around.close()


@pytest.fixture
def make_desk() -> Iterator[Callable[[int], EndingDesk]]:
    desks = []

    def make(peers: int) -> EndingDesk:
        desks.append(EndingDesk(peers))
        return desks[-1]

    yield make
    for desk in desks:
        desk.close()


def end(desk: EndingDesk, timeout: float) -> Ending:
    return Ending(desk.desk, desk.channel, timeout, 0, without_clock())


def test_no_more_are_closed_in_a_turn_than_there_is_time_for(
    make_desk: Callable[[int], EndingDesk],
) -> None:
    desk = make_desk(5)
    desk.channel.stuck = False
    part = Ticking().part(2)
    ending = Ending(desk.desk, desk.channel, 0.0, 0, part)
    seen = []
    for _ in range(3):
        part.begin()
        ended = ending.step(1, more=False)
        seen.append((len(desk.peers), ending.is_cut, ended))

    assert seen == [(3, True, False), (1, True, False), (0, False, True)]


def test_who_is_not_through_is_looked_at_again_after_all_the_others(
    make_desk: Callable[[int], EndingDesk],
) -> None:
    desk = make_desk(3)
    desk.channel.stuck = False
    slow = desk.peers[0]
    desk.desk._pump.hold(slow.member)  # it does not have everything
    part = Ticking().part(1)
    ending = Ending(desk.desk, desk.channel, 10.0, 0, part)
    left = []
    for _ in range(4):
        part.begin()
        ending.step(1, more=False)
        left.append(sorted(desk.peers))
        if len(left) == 1:  # it is closed before it would be looked at
            desk.desk.close(desk.peers[1], Reason.PUBLISHER_CLOSED)

    assert left == [[0, 1, 2], [0, 2], [0], [0]]
    assert not ending.is_cut
    ending.step(1 << 62, more=False)


def test_who_has_everything_is_sent_away_over_time_in_an_order_of_its_own(
    make_desk: Callable[[int], EndingDesk],
) -> None:
    desk = make_desk(5)
    desk.channel.stuck = False
    slow = desk.peers[3]
    desk.desk._pump.hold(slow.member)  # it does not have everything
    ending = Ending(desk.desk, desk.channel, 1.0, 0, without_clock(), spread=10.0)
    ends: dict[int, int] = {}
    for second in range(12):
        is_over = ending.step(second * NS, more=False)
        ends.update({one: second for one in range(5) if one not in desk.peers | ends})

    assert ends.pop(3) == 11
    assert sorted(ends.values()) == [
        second for second in (0, 2, 4, 6, 8) if second in ends.values()
    ]
    assert len(set(ends.values())) == 4
    assert list(ends) != sorted(ends), "not one after the other as they came"
    assert is_over


def test_connections_are_closed_as_fast_as_the_coordinator_reads(
    make_desk: Callable[[int], EndingDesk],
) -> None:
    desk = make_desk(3)
    ending = end(desk, timeout=0.0)
    left = []

    ended = False
    while not ended:
        ended = ending.step(1, more=False)
        left.append(len(desk.peers))
        desk.let_reports_out()

    assert left == [2, 1, 0, 0]


def test_the_last_report_is_out_before_the_worker_ends(
    make_desk: Callable[[int], EndingDesk],
) -> None:
    desk = make_desk(1)
    ending = end(desk, timeout=10.0)

    early = [ending.step(now, more=False) for now in (1, 2)]
    assert early == [False, False], "it ends with a report that nobody has"

    desk.let_reports_out()
    assert ending.step(3, more=False)


def test_what_is_committed_is_sent_before_anybody_is_closed_if_there_is_time(
    make_desk: Callable[[int], EndingDesk],
) -> None:
    desk = make_desk(1)
    ending = end(desk, timeout=1e-9)

    assert not ending.step(0, more=True)
    assert len(desk.peers) == 1
    ending.step(1, more=True)
    assert not desk.peers


@pytest.mark.parametrize("ipc", [False, True])
def test_the_end_of_file_is_no_byte_that_was_not_delivered(ipc: bool) -> None:
    """TCP counts it as one: who had acknowledged all else would be named as not delivered to."""
    with closing(TakingOver(SMALL, TUNING, ipc=ipc, log_bytes=SMALL.data_bytes)) as two:
        worker = two.workers[0]
        two.connect([b"A"], worker)
        peer = worker.desk.peers[1]
        while not peer.member.blocked:  # it reads nothing, so its host has no room in the end
            assert two.publish(b"A", bytes(2_000))
            two.turn(worker)
        seen = [-1]

        def stands_still() -> bool:
            seen.append(peer.unsent_in_kernel())
            return len(seen) > 20 and len({*seen[-20:]}) == 1

        wait_until(stands_still, "what the kernel holds stands still")
        peer.finish_sending()
        worker.desk.close(peer, Reason.PUBLISHER_CLOSED)
        two.turn(worker)

        assert [closed.kernel_bytes for closed in two.closed] == [seen[-1]]
        assert seen[-1] > 0
