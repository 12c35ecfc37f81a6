"""The compiled publishers: what each needs, how it is built, and why one is left out."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from interoperation.building import Left, build, command_of
from interoperation.registry import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

HERE = Path(__file__).parent
TARGET = "../publishers"  # beside the folders of the builds, for all: what they share is built once


def _crate(name: str, title: str, binary: str, *options: str) -> Engine:
    cargo = ("cargo", "build", "--quiet", "--release", "--target-dir", TARGET)
    return Engine(
        name=f"publisher-{name}",
        title=title,
        source=str(HERE / "rust"),
        needs=("cargo",),
        build=((*cargo, "--bin", binary, *options),),
        run=(f"{{build}}/{TARGET}/release/{binary}",),
    )


PROGRAMS = {
    "omq": _crate("omq", "omq-tokio 0.33.0", "omq-publisher"),
    "rzmq": _crate("rzmq", "rzmq 0.5.28", "rzmq-tokio"),
    "rzmq-uring": _crate("rzmq-uring", "rzmq 0.5.28", "rzmq-uring", "--features", "uring"),
    "monocoque": _crate("monocoque", "monocoque-rs 0.4.2", "monocoque-publisher"),
    "zmqrs": _crate("zmqrs", "zeromq 0.7.0", "zmqrs-publisher"),
    "libzmq-c": Engine(
        name="publisher-libzmq-c",
        title="libzmq from C",
        source=str(HERE / "c"),
        needs=("cc",),
        build=(("cc", "-O2", "-o", "publisher", "publisher.c", "-ldl"),),
        run=("{build}/publisher",),
    ),
}

_left: dict[str, str] = {}  # program -> why it could not be built


def build_programs(names: Iterable[str], tell: Callable[[str], None]) -> None:
    """Builds what is not built yet, and tells what is left out, with the reason."""
    for name in dict.fromkeys(names):
        try:
            build(PROGRAMS[name])
        except Left as reason:
            _left[name] = str(reason)
            tell(f"{PROGRAMS[name].title} is left out: {reason}")


def why_left(name: str) -> str:
    """Why a program cannot be run; empty if `build_programs` has it."""
    return _left.get(name, "")


def command(name: str) -> list[str]:
    """The built program, without arguments."""
    return command_of(PROGRAMS[name])


def find_libzmq() -> str:
    """The library that pyzmq brings.

    Raises:
        FileNotFoundError: pyzmq is not installed, or was built with another one.
    """
    package = importlib.util.find_spec("zmq")
    if package and package.origin:
        folder = Path(package.origin).parents[1] / "pyzmq.libs"
        for library in folder.glob("libzmq*.so*"):
            return str(library)
    raise FileNotFoundError("there is no libzmq of pyzmq: install a wheel of it")
