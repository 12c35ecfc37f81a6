"""The engines: what each needs, how it is built, and what it is known not to do."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

PIP_INSTALL = ("-m", "pip", "--disable-pip-version-check", "install", "-q", "--only-binary=:all:")
SOURCES = Path(__file__).parent / "engines"


@dataclass(frozen=True)
class Known:
    """What an engine does by itself where a scenario wants something else."""

    why: str  # for the table
    failure: str  # a regular expression: how the scenario fails by that, from its beginning on

    def explains(self, failure: str) -> bool:
        """Whether this is how it fails; whatever else goes wrong there is a failure as ever."""
        return re.match(self.failure, failure) is not None


_COMES_BACK = r"it came \d+ times in "


@dataclass(frozen=True)
class Engine:
    """One engine in one version.

    Commands are run in the folder of the build, into which the source is copied. `{python}` stands
    for the interpreter that was found, `{build}` for that folder.
    """

    name: str
    title: str  # as in the table
    source: str  # a folder of `engines`
    build: tuple[tuple[str, ...], ...]
    run: tuple[str, ...]
    needs: tuple[str, ...] = ()  # programs
    python: str = ""  # the version of an interpreter that its wheels are for
    known: dict[str, Known] = field(default_factory=dict)  # by scenario
    lacks: dict[str, str] = field(default_factory=dict)  # mechanism -> what it has in its place

    def known_failure(self, scenario: str, failure: str) -> str:
        """Why a scenario fails in this way, if that is known of the engine; "" if it is not."""
        known = self.known.get(scenario)
        return known.why if known is not None and known.explains(failure) else ""


def _pyzmq(version: str, libzmq: str, python: str) -> Engine:
    return Engine(
        name=f"pyzmq-{version}",
        title=f"libzmq {libzmq} (pyzmq {version})",
        source="pyzmq",
        python=python,
        build=(
            ("{python}", "-m", "venv", "venv"),
            # Wheels only: a build from source would bring another libzmq, or none.
            ("venv/bin/python", *PIP_INSTALL, f"pyzmq=={version}"),
        ),
        run=("{build}/venv/bin/python", "{build}/subscriber.py"),
    )


_CARGO = (("cargo", "build", "--quiet", "--release"),)

_ALL = (
    _pyzmq("16.0.4", "4.1.6", "3.6"),
    _pyzmq("17.1.3", "4.2.5", "3.6"),
    _pyzmq("18.0.2", "4.3.1", "3.7"),
    _pyzmq("19.0.2", "4.3.2", "3.7"),
    _pyzmq("22.3.0", "4.3.4", "3.8"),
    _pyzmq("25.1.2", "4.3.4", "3.11"),
    _pyzmq("27.1.0", "4.3.5", "3.12"),
    Engine(
        name="node",
        title="npm zeromq 6.8.0",
        source="node",
        needs=("node", "npm"),
        # The package brings its library; its install script would only look for another.
        build=(("npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"),),
        run=("node", "{build}/subscriber.js"),
    ),
    Engine(
        name="go",
        title="Go zmq4 0.17.0",
        source="go",
        needs=("go",),
        build=(("go", "build", "-o", "subscriber", "."),),
        run=("{build}/subscriber",),
        known={"plain-wrong": Known("it dials 12 times and more before it gives up", _COMES_BACK)},
        lacks={"CURVE": "it has NULL and PLAIN"},
    ),
    Engine(
        name="rust-zeromq",
        title="Rust zeromq 0.7.0",
        source="rust-zeromq",
        needs=("cargo",),
        build=_CARGO,
        run=("{build}/target/release/subscriber",),
        lacks={"PLAIN": "it has NULL alone", "CURVE": "it has NULL alone"},
    ),
    Engine(
        name="rust-rzmq",
        title="Rust rzmq 0.5.28",
        source="rust-rzmq",
        needs=("cargo",),
        build=_CARGO,
        run=("{build}/target/release/subscriber",),
        known=dict.fromkeys(
            ("plain-wrong", "plain-null", "curve-denied", "curve-null"),
            Known("it comes back, whatever refused it", _COMES_BACK),
        ),
    ),
    Engine(
        name="rust-omq",
        title="Rust omq-tokio 0.33.0",
        source="rust-omq",
        needs=("cargo",),
        build=_CARGO,
        run=("{build}/target/release/subscriber",),
        known=dict.fromkeys(
            ("plain-null", "curve-null"),
            Known(
                "it comes back ten times a second, for ever; after an ERROR it stops", _COMES_BACK
            ),
        ),
    ),
    Engine(
        name="jeromq",
        title="JeroMQ 0.6.0",
        source="jeromq",
        needs=("java", "javac", "mvn"),
        build=(
            ("mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"),
            ("javac", "-cp", "lib/*", "-d", "classes", "Subscriber.java"),
        ),
        run=("java", "-cp", "{build}/lib/*:{build}/classes", "Subscriber"),
    ),
)

ENGINES = {engine.name: engine for engine in _ALL}
