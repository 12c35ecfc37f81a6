"""Prints the help of a program beside this file, before anything is installed for it.

    python _help.py MODULE ARGUMENT...

What an option is and does stands in the program's own parser, so the program itself is asked. For
packages that are not there yet, it is given stand-ins, which do nothing: it only has to be
imported.
"""

from __future__ import annotations

import runpy
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

# What `pyproject.toml` has installed for programs here.
PACKAGES = ("matplotlib", "msgpack", "multiprocess", "nacl", "psutil", "rich", "websockets", "zmq")


class StandIns(MetaPathFinder, Loader):
    """Finds what nobody else has found, if it is of one of PACKAGES."""

    def find_spec(
        self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        is_ours = name.partition(".")[0] in PACKAGES
        return ModuleSpec(name, self, is_package=True) if is_ours else None

    def create_module(self, spec: ModuleSpec) -> Any:
        made: Any = MagicMock(name=spec.name)
        made.__path__ = []
        return made

    def exec_module(self, _module: ModuleType) -> None:
        """It has nothing in it."""


def main() -> None:
    """Runs the module with these arguments, one of which asks for help."""
    folder = Path(__file__).resolve().parent
    sys.path[:1] = [str(folder), str(folder.parent)]
    sys.meta_path.append(StandIns())
    module, *arguments = sys.argv[1:]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
