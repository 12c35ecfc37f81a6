"""What perf prints, and that nothing is counted where it cannot."""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks.system_calls import SystemCalls, count_of

if TYPE_CHECKING:
    from pathlib import Path

COUNTED = "1234;;raw_syscalls:sys_enter;5000;100.00;;\n"
# Answers what it is told to do, as perf does, and says at its end what it has counted.
PERF = f"""#!{sys.executable}
import os, signal, sys
orders, answers = map(int, sys.argv[sys.argv.index("--control") + 1].removeprefix("fd:").split(","))
signal.signal(signal.SIGINT, lambda *_: sys.exit({COUNTED!r}))
while order := os.read(orders, 100).decode().strip():
    with open(sys.argv[0] + ".orders", "a") as file:
        print(order, *sys.argv[1:], file=file)
    os.write(answers, b"ack\\n")
signal.pause()
"""


def test_the_number_is_taken_from_the_line_of_the_event() -> None:
    assert count_of(f"\n# started\n{COUNTED}") == 1234
    assert count_of("<not counted>;;raw_syscalls:sys_enter;0;0.00;;\n") is None
    assert count_of("Error: no permission\n") is None


def _put_perf(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> Path:
    perf = folder / "perf"
    perf.write_text(text)
    perf.chmod(perf.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return perf


def test_it_is_counted_from_the_beginning_to_the_end_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    perf = _put_perf(tmp_path, monkeypatch, PERF)
    orders = perf.with_name("perf.orders")
    with SystemCalls([11, 12]) as calls:
        assert orders.read_text().startswith("enable ")
        assert "--pid 11,12" in orders.read_text()
    assert calls.counted == 1234
    assert [line.split()[0] for line in orders.read_text().splitlines()] == ["enable", "disable"]


@pytest.mark.parametrize("text", ["#!/bin/sh\necho 'No permission' >&2; exit 255\n", None])
def test_without_the_right_or_the_program_nothing_is_counted(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is None:
        monkeypatch.setenv("PATH", str(tmp_path))
    else:
        _put_perf(tmp_path, monkeypatch, text)
    before = len(os.listdir("/proc/self/fd"))
    with SystemCalls([os.getpid()]) as calls:
        pass
    assert calls.counted is None
    assert len(os.listdir("/proc/self/fd")) == before
