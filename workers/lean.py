"""What a worker does without: large modules of which it uses nothing, though asyncio imports them.

`ssl` takes 4 MB of each worker, `inspect` with what it imports 0.8, `subprocess` 0.3. While the
modules of a worker are imported, something small stands for each of these; who imports one later
gets it. What asyncio may call of them when something has failed stands here once more: then there
may be neither memory nor a descriptor to load anything.
"""

from __future__ import annotations

import sys
from types import FunctionType, ModuleType
from typing import Any


class _Inspect(ModuleType):
    """Stands for `inspect`; what is not here is loaded with it."""

    @staticmethod
    def isfunction(value: object) -> bool:
        return isinstance(value, FunctionType)

    @staticmethod
    def get_annotations(kind: type) -> dict[str, Any]:
        """What the body of this class says of its fields: `dataclasses` of Python 3.13 asks it."""
        return dict(vars(kind).get("__annotations__", ()))

    @staticmethod
    def unwrap(function: Any) -> Any:
        """The function in the wrappers of `functools.wraps`; one in itself stays as it is."""
        seen = set[int]()
        while hasattr(function, "__wrapped__") and id(function) not in seen:
            seen.add(id(function))
            function = function.__wrapped__
        return function

    def __getattr__(self, name: str) -> Any:
        _check_name(self, name)
        import inspect

        return getattr(inspect, name)


class _Subprocess(ModuleType):
    """Stands for `subprocess`; what is not here is loaded with it."""

    PIPE, STDOUT, DEVNULL = -1, -2, -3

    def __getattr__(self, name: str) -> Any:
        _check_name(self, name)
        import subprocess

        return getattr(subprocess, name)


def _check_name(stand_in: ModuleType, name: str) -> None:
    """Make way for the real module, unless it is asked for what a module may lack."""
    if name.startswith("__"):
        raise AttributeError(name)
    _make_way(stand_in.__name__, stand_in)


def _make_way(name: str, stand_in: ModuleType | None) -> None:
    if name in sys.modules and sys.modules[name] is stand_in:
        del sys.modules[name]


_STAND_INS: dict[str, ModuleType | None] = {
    "inspect": _Inspect("inspect"),
    "subprocess": _Subprocess("subprocess"),
    "ssl": None,  # "there is none", which asyncio is prepared for
}


def begin() -> None:
    """From now on something small stands for each of them that is not loaded yet."""
    modules: dict[str, Any] = sys.modules
    if "asyncio" not in modules:  # else it has loaded them
        for name, stand_in in _STAND_INS.items():
            modules.setdefault(name, stand_in)


def end() -> None:
    """Who imports one of them from now on gets it."""
    for name, stand_in in _STAND_INS.items():
        _make_way(name, stand_in)
