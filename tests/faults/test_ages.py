"""What waits for a subscriber keeps its age, whichever worker goes on with it."""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING

import pytest

from fanout import Publisher, Reason, SlowPolicy
from tests.helpers.raw import RawPeer
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout import SubscriberStatistics

OLD_S = 2.0  # of what waits when another worker goes on with it
LIMIT_S = (
    1.0  # that is set then: who forgets how old it is ends it at this age, and not at the other
)
SHOWN_S = 0.1  # to which an age is said


def _move(publisher: Publisher, one: SubscriberStatistics) -> None:
    publisher.move(one.id, 1 - one.worker)
    assert publisher.statistics().moved == 1


def _kill(publisher: Publisher, one: SubscriberStatistics) -> None:
    os.kill(publisher.statistics().workers[one.worker].pid, signal.SIGKILL)
    wait_until(lambda: publisher.statistics().resumed, "another worker goes on")


def _restart(publisher: Publisher, _one: SubscriberStatistics) -> None:
    publisher.restart_workers()
    publisher.wait_for_workers(timeout=DEADLINE_S)
    wait_until(lambda: publisher.statistics().moved, "another worker goes on")


@pytest.mark.parametrize("hand_on", [_move, _kill, _restart])
def test_what_waits_is_as_old_for_the_worker_that_goes_on(
    hand_on: Callable[[Publisher, SubscriberStatistics], None],
) -> None:
    with (
        Publisher(
            "tcp://127.0.0.1:*",
            workers=2,
            log_bytes=1 << 20,
            kernel_queue_bytes=16 * 1024,
            slow_policy=SlowPolicy("disconnect", limit_age=3_600),
        ) as publisher,
        RawPeer.version_3(publisher.endpoints[0], b"", receive_buffer=4_096),
    ):
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)

        def one() -> SubscriberStatistics:
            (found,) = publisher.subscribers()
            return found

        def has_waited_for_long() -> bool:
            while not one().queued:  # nor any more: the kernel may take what it did not at first
                publisher.publish(b"topic", bytes(1_000))
            return one().age_s >= OLD_S

        wait_until(has_waited_for_long, "it has waited for long")
        age = one().age_s

        hand_on(publisher, one())
        publisher.set_slow_policy(one().id, SlowPolicy("disconnect", limit_age=LIMIT_S, soft=1.0))

        (ended,) = wait_until(publisher.closed_subscribers, "it is ended")
        assert ended.cause is Reason.TOO_SLOW
        said = re.search(r"has waited for ([0-9.]+) s", ended.reason)
        assert said is not None, ended.reason
        assert float(said[1]) >= age - SHOWN_S
