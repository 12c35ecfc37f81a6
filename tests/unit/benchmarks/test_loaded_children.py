"""Children that are forked from a process that is loaded are as those that users start."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from benchmarks.children import Child, ChildFailed
from tests.helpers.nursery import is_possible
from tests.helpers.waiting import DEADLINE_S

MODULE = "soaking.pauses"


@pytest.mark.parametrize("variables", [{}, {"FANOUT_PURE": "1"}])
def test_it_has_its_channel_its_folder_and_a_session(variables: dict[str, str]) -> None:
    """One with other variables than the loaded process is started by itself."""
    with Child(MODULE, environment=variables) as child:
        assert child.answer(DEADLINE_S) == {"ready": True}
        there = Path(f"/proc/{child.pid}")
        is_forked = b"-m" not in (there / "cmdline").read_bytes().split(b"\0")
        assert is_forked is (is_possible() and not variables)
        assert (there / "cwd").readlink() == Path.cwd()
        assert os.getsid(child.pid) == child.pid
        assert child.ask(DEADLINE_S, do="end").keys() == {"longest_ns", "paused_ns"}
    assert not there.exists()


def test_its_error_is_told_and_it_has_its_arguments() -> None:
    with (
        Child("benchmarks.host", "one", "two") as child,
        pytest.raises(ChildFailed, match=r"expected 3, got 2"),
    ):
        child.answer(DEADLINE_S)


def test_its_status_and_what_it_has_written_are_seen() -> None:
    with Child(MODULE) as child:
        assert child.answer(DEADLINE_S) == {"ready": True}
        os.kill(child.pid, signal.SIGTERM)
        with pytest.raises(ChildFailed, match=f"ended with -{signal.SIGTERM:d}: $"):
            child.answer(DEADLINE_S)
    with Child(MODULE, "ignored") as child:
        assert child.answer(DEADLINE_S) == {"ready": True}
        child.tell(do="nothing that it knows")
        with pytest.raises(ChildFailed, match="ValueError: no request"):
            child.answer(DEADLINE_S)
        with pytest.raises(ChildFailed, match=r"(?s)ended with 1: Traceback.*no request"):
            child.answer(DEADLINE_S)
