"""What stands for large modules while a worker is loaded, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import wraps
from typing import Any

import pytest

from fanout.workers import lean
from tests.helpers.waiting import DEADLINE_S


class WithFields:
    first: int
    second: str = ""


class WithoutFields(WithFields):
    """Has those of the class it inherits from, and none of its own."""


BEGUN = "import sys; from fanout.workers import lean; lean.begin(); import asyncio; "


def run(program: str) -> str:
    """What a program prints; it is not measured: that would load them before it begins."""
    command = [sys.executable, "-c", program]
    around = {name: value for name, value in os.environ.items() if "COVERAGE_PROCESS" not in name}
    return subprocess.check_output(command, text=True, timeout=DEADLINE_S, env=around).strip()


def test_asyncio_works_without_them() -> None:
    """A callback that fails is told of as ever."""
    program = f"""{BEGUN}lean.end()
async def main():
    loop, found = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _loop, context: found.append(context))
    loop.call_soon(main.nothing)
    while not found:
        await asyncio.sleep(0)
    print(type(found[0]["exception"]).__name__, "fails() at" in found[0]["message"])
def fails():
    raise ValueError
main.nothing = fails
asyncio.run(main())
print([name for name in ("inspect", "ast", "ssl", "subprocess") if name in sys.modules])
"""
    assert run(program).splitlines() == ["ValueError True", "[]"]


@pytest.mark.parametrize("name", ["inspect", "ssl", "subprocess"])
def test_who_imports_one_later_gets_it(name: str) -> None:
    program = f"{BEGUN}lean.end(); import {name}; print({name}.__file__.endswith('{name}.py'))"
    assert run(program) == "True"


@pytest.mark.parametrize("ended", ["", "lean.end(); "])
def test_what_does_not_stand_there_is_loaded(ended: str) -> None:
    program = f"""{BEGUN}{ended}
from asyncio import coroutines, base_events
print(coroutines.inspect.iscoroutinefunction(asyncio.sleep), hasattr(base_events.subprocess, "x"))
print(base_events.subprocess.Popen.__module__)
import inspect
print(inspect.signature(lambda a: 0))
"""
    assert run(program).splitlines() == ["True False", "subprocess", "(a)"]


def test_what_is_loaded_already_stays() -> None:
    program = "import inspect, ssl, subprocess; had = inspect, ssl, subprocess; " + BEGUN
    program += "lean.end(); print(all(sys.modules[one.__name__] is one for one in had))"
    assert run(program) == "True"


def test_its_few_functions_are_as_those_that_they_stand_for() -> None:
    import inspect

    def function() -> None: ...

    @wraps(function)
    def wrapped() -> None: ...

    @wraps(wrapped)
    def twice() -> None: ...

    stand_in = lean._Inspect("inspect")
    some: list[Any] = [function, wrapped, twice, len, 7]
    for one in some:
        assert stand_in.unwrap(one) is inspect.unwrap(one)
        assert stand_in.isfunction(one) == inspect.isfunction(one)
    for kind in (WithFields, WithoutFields, int):
        assert vars(lean._Inspect)["get_annotations"](kind) == inspect.get_annotations(kind)
    function.__wrapped__ = function  # type: ignore[attr-defined]
    assert stand_in.unwrap(function) is function, "an error is told of in any case"
    for name in ("PIPE", "STDOUT", "DEVNULL"):
        assert getattr(lean._Subprocess, name) == getattr(subprocess, name)
