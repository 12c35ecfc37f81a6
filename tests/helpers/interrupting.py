"""Exceptions at every line, or every bytecode instruction, of fanout's own code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import fanout

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

PACKAGE = str(Path(fanout.__file__).parent)


class Steps:
    """Calls `act` before the n-th step of fanout's code in this thread, in the block it guards.

    What `act` raises is raised there, as if that step had been interrupted. Python ends tracing
    then, so there is one interruption for each block.

    Args:
        number: of the step, from 1.
        act: what to do there.
        opcodes: whether a step is a bytecode instruction and not a line.

    Attributes:
        reached: whether there was an n-th step.
    """

    def __init__(self, number: int, act: Callable[[], None], *, opcodes: bool = False) -> None:
        self.reached = False
        self._left = number
        self._act = act
        self._event = "opcode" if opcodes else "line"
        self._before: Any = None

    def __enter__(self) -> Self:
        self._before = sys.gettrace()
        sys.settrace(self._on_call)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        sys.settrace(self._before)

    def _on_call(self, frame: FrameType, event: str, argument: object) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        frame.f_trace_opcodes = self._event == "opcode"
        return self._on_step

    def _on_step(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == self._event:
            self._left -= 1
            if self._left == 0:
                self.reached = True
                self._act()
        return self._on_step
