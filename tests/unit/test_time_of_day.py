"""Nothing waits by the time of day, which is set: whoever asks for it is listed with the reason."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.unit.test_structure import ROOT, modules

MAY_ASK = {
    "fanout.engine.engine": "when the publisher was started, for who looks at it",
    "fanout.observe.reader": "when a subscriber has ended, for people",
    "fanout.coordinator.surroundings": "whether it was set, which is told of and counted",
    "fanout.cli.top.command": "what time it is, in the headline and in records",
    "fanout.cli.sub.command": "how old a message is by the time in it, on another machine",
    "fanout.security.tls": "whether a certificate is valid yet, or still",
}

# What gives it away, by the last parts of its name; `strftime` and the like without a time do, too.
OF_TIME = {
    *("time", "time_ns", "gmtime", "localtime", "ctime", "asctime", "strftime"),
    *("CLOCK_REALTIME", "CLOCK_REALTIME_COARSE", "CLOCK_TAI"),
}
OF_DATETIME = {"now", "utcnow", "today"}
TELLING = {"time": OF_TIME, "datetime": OF_DATETIME, "date": OF_DATETIME}
OF_ANY = OF_TIME | OF_DATETIME
OF_C = ("CLOCK_REALTIME", "gettimeofday", "time(NULL", "time(0", "timespec_get", "ftime(")


def asks(tree: ast.AST) -> list[str]:
    """Each place where a module takes the time of day, or a function that tells it."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in OF_ANY:
            of = ast.unparse(node.value).rpartition(".")[2]
            if node.attr in TELLING.get(of, set()):
                found.append(ast.unparse(node))
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            found += [one.name for one in node.names if one.name in OF_TIME]
    return found


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("import time\nuntil = time.time() + 1", 1),
        ("f(now=time.time)", 1),
        ("time.clock_gettime(time.CLOCK_REALTIME)", 1),
        ("from time import monotonic, time_ns", 1),
        ("datetime.now(UTC)", 1),
        ("datetime.datetime.utcnow()", 1),
        ("date.today()", 1),
        ("time.monotonic() + time.thread_time_ns() + time.perf_counter()", 0),
        ("self.time()", 0),
        ("bench.now", 0),
    ],
)
def test_who_asks_is_found(text: str, count: int) -> None:
    assert len(asks(ast.parse(text))) == count


def test_nobody_asks_but_who_is_listed() -> None:
    asking = {
        name
        for name, path in modules().items()
        if asks(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert asking == MAY_ASK.keys()


def test_compiled_code_does_not_ask() -> None:
    sources = [*Path(ROOT / "fanout").glob("*.[ch]")]
    assert sources
    for path in sources:
        text = path.read_text(encoding="utf-8")
        assert [word for word in OF_C if word in text] == [], path
