"""The fence: a switch that has every machine use it, and interruptions do it no harm."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from contextlib import suppress

import pytest

from fanout.shm import fence as fences
from fanout.shm.log import LogWriter
from fanout.shm.segment import Segment
from tests.faults.subject import raiser
from tests.helpers.interrupting import Steps
from tests.helpers.log import SMALL
from tests.helpers.programs import ROOT

LOOK = "from fanout.shm import fence; print(fence.STORES_STAY_IN_ORDER)"


@pytest.mark.parametrize("value", ["always", ""])
def test_a_switch_has_every_machine_use_fences(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FANOUT_FENCES", value)
    done = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=ROOT, capture_output=True, text=True, timeout=60
    )

    expected = os.uname().machine == "x86_64" and not value
    assert done.stdout.strip() == str(expected), done.stderr


def test_interrupted_at_any_instruction_it_works_again() -> None:
    fence = fences.make_fence()

    for number in itertools.count(1):
        steps = Steps(number, raiser(KeyboardInterrupt), opcodes=True)
        with suppress(KeyboardInterrupt), steps:
            fence()
        fence()
        fence()
        if not steps.reached:
            assert number > 5, "hardly anything was traced"
            return


def test_a_commit_is_between_two_fences(monkeypatch: pytest.MonkeyPatch) -> None:
    """One orders what is committed before it, one the look at who sleeps behind it."""
    monkeypatch.setattr(fences, "STORES_STAY_IN_ORDER", False)
    heads: list[int] = []
    monkeypatch.setattr(fences, "make_fence", lambda: lambda: heads.append(writer.head))
    segment = Segment.create(SMALL)
    writer: LogWriter = LogWriter(segment)

    writer.append(b"\x00\x00", 0)
    writer.append_parts([b"\x00", b"\x00"], 0)
    writer.append_batch([b"\x00\x00", b"\x00\x00"], [0, 0])
    segment.close()

    assert heads == [0, 1, 1, 2, 2, 4]
