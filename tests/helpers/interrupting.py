"""Exceptions at every line, or every bytecode instruction, of fanout's own code."""

from __future__ import annotations

import gc
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import fanout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType, TracebackType

T = TypeVar("T")

PACKAGE = str(Path(fanout.__file__).parent)


@contextmanager
def untraced() -> Iterator[None]:
    """Nothing traces this thread in the block, nor threads that are started in it.

    Around what interrupts it at any point, or runs code of fanout at any point: were that point in
    the tracer of a coverage measurement, a lock of the tracer would stay locked for ever.
    """
    with traced((None, None)):
        yield


def contained(run: Callable[[], T]) -> Iterator[T]:
    """Call it, and yield the result, in a generator, which has a state of exceptions of its own.

    Interrupted at the very instruction that ends an `except`, where no signal interrupts, Python
    3.11 leaves that exception as one that is handled: for as long as its thread runs, each later
    one has it as its context.
    """
    yield run()


Tracers = tuple[Any, Any]  # of this thread, and of those that are started in it


def tracers() -> Tracers:
    """What traces now."""
    return sys.gettrace(), threading.gettrace()


@contextmanager
def traced(by: Tracers) -> Iterator[None]:
    """These trace in the block."""
    this, others = tracers()
    sys.settrace(by[0])
    threading.settrace(by[1])
    try:
        yield
    finally:
        threading.settrace(others)
        sys.settrace(this)


class Steps:
    """Calls `act` before the n-th step of fanout's code in this thread, in the block it guards.

    What `act` raises is raised there, as if that step had been interrupted. Python ends tracing
    then, so there is one interruption for each block. No garbage is collected in it: else a step
    may be one of a finalizer of what another test has left, where Python drops what is raised.

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
        self._collects = False

    def __enter__(self) -> Self:
        self._before = sys.gettrace()
        self._collects = gc.isenabled()
        gc.disable()
        if self._event == "opcode":
            # Python 3.12 looks only in settrace() whether any frame wants events for instructions.
            sys._getframe().f_trace_opcodes = True
        sys.settrace(self._on_call)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        sys.settrace(self._before)
        if self._collects:
            gc.enable()

    def _on_call(self, frame: FrameType, event: str, argument: object) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        frame.f_trace = self._on_step
        frame.f_trace_opcodes = self._event == "opcode"
        frame.f_trace_lines = self._event == "line"
        return self._on_step

    def _on_step(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == self._event:
            self._left -= 1
            if self._left == 0:
                self.reached = True
                self._act()
        return self._on_step
