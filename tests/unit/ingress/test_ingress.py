"""The end of what reads producers: one that gets on is waited for, and one that hangs is not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from fanout.basics.grace import END_GRACE, END_GRACES
from fanout.ingress.ingress import Ingress
from tests.helpers.ending import Ending

TIMEOUT = 1.0


class SlowLoop:
    """One whose thread ends at that time, in seconds."""

    def __init__(self, ends: float, each: float) -> None:
        self.thread = Ending(ends, each=each)
        self.is_buried = False

    @property
    def steps(self) -> int:
        return self.thread.steps

    def end(self, timeout: float) -> None:
        assert timeout == TIMEOUT

    def bury(self) -> None:
        self.is_buried = True


def close(loop: SlowLoop) -> None:
    path = SimpleNamespace(gate=SimpleNamespace(forked=False))
    unused = cast("Any", None)
    ingress = Ingress(cast("Any", path), unused, unused, unused, unused, unused)
    ingress._loop = cast("Any", loop)
    ingress.close(TIMEOUT)


def test_a_thread_that_is_slow_is_waited_for() -> None:
    loop = SlowLoop(TIMEOUT + 2.9 * END_GRACE, each=0.9 * END_GRACE)
    close(loop)
    assert loop.is_buried
    assert not loop.thread.is_alive()


@pytest.mark.parametrize(
    ("each", "graces"), [(1e9, 1), (0.1, END_GRACES)], ids=["hangs", "never ends"]
)
def test_one_that_does_not_end_is_not_waited_for_for_ever(each: float, graces: int) -> None:
    loop = SlowLoop(1e9, each)
    close(loop)
    assert not loop.is_buried
    assert loop.thread.now == pytest.approx(TIMEOUT + graces * END_GRACE)
