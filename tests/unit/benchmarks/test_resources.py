"""What processes take, as the kernel says."""

from __future__ import annotations

import os

from benchmarks.resources import ProcessTree, memory_of
from soaking.usage import Usage


def test_memory_of_a_process_has_kinds() -> None:
    pid = os.getpid()
    assert 0 < memory_of(pid, b"Anonymous") <= memory_of(pid, b"Rss")
    assert ProcessTree(pid).memory_bytes() >= memory_of(pid, b"Private_Dirty") > 0


def test_of_a_process_that_has_ended_there_is_none() -> None:
    assert memory_of(1 << 30, b"Pss") == 0


def test_usage_is_sampled() -> None:
    usage = Usage(os.getpid())
    usage.begin()
    assert usage.user_peak_bytes > 1 << 20
