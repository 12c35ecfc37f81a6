"""Surroundings: what the real ones say of this process."""

from __future__ import annotations

import os
import select
import time
from typing import Any
from unittest import mock

import psutil

from fanout.options import Options
from fanout.shm.doorbell import Doorbell
from fanout.shm.segment import Segment
from fanout.workers.surroundings import Process
from tests.helpers.log import SMALL


def test_it_measures_this_process_and_waits_for_what_happens() -> None:
    segment = Segment.create(SMALL)
    bells = Doorbell(), Doorbell()
    nobody: Any = mock.Mock()
    around = Process(3, Options(), segment, nobody, bells, nobody)
    mine = psutil.Process().memory_info().rss

    assert mine / 2 < around.rss_bytes() < mine * 2
    assert 0 < around.cpu_ns() <= time.process_time_ns()
    assert around.doorbell == bells[0].fd
    around.ring_publisher()
    assert bells[1].wait(0)
    poll_set = around.poll_set()
    ready = os.eventfd(1)
    poll_set.register(ready, select.EPOLLIN)
    around.wait(poll_set, 60.0)

    os.close(ready)
    poll_set.close()
    segment.close()
