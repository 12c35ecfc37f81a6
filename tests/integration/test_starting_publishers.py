"""What the program of a user loads: what it has asked for, and nothing of the rest."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.helpers.command import ROOT
from tests.helpers.waiting import DEADLINE_S

BLOCKING = """
import sys
import fanout
with fanout.Publisher("tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20{options}) as publisher:
    publisher.publish(b"topic", b"payload")
    {call}
    print(sorted(sys.modules))
"""
AWAITED = """
import asyncio, sys
from fanout.asyncio import Publisher

async def main():
    async with Publisher("tcp://127.0.0.1:*", workers=1, log_bytes=1 << 20{options}) as publisher:
        await publisher.publish(b"topic", b"payload")
        await publisher.drain()
        print(sorted(sys.modules))

asyncio.run(main())
"""
# Of each part that most do without, a module that nobody does with it can do without.
INGRESS = {"fanout.ingress.loop", "fanout.ingress.splitting"}
ANSWERS = {"fanout.answers.desk", "fanout.answers.role", "fanout.sockets.threads"}
VALUES = {"fanout.send.kept_path", "fanout.shm.kept_values", "fanout.shm.value_keeper"}
OTHERS = {
    *("fanout.cli", "fanout.faces.producer", "fanout.faces.awaited_producer", "fanout.sockets"),
    *("fanout.subscriber", "fanout.workers"),
}
KEPT = ", last_values=fanout.LastValues()"


def loaded(program: str, options: str = "", call: str = "publisher.drain()") -> set[str]:
    """The modules of fanout that a program has at its end."""
    command = [sys.executable, "-c", program.format(options=options, call=call)]
    ended = subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=DEADLINE_S
    )
    modules: list[str] = ast.literal_eval(ended.stdout)
    return {name for name in modules if name.startswith("fanout.")}


@pytest.mark.parametrize("program", [BLOCKING, AWAITED])
def test_a_plain_publisher_loads_what_it_uses(program: str) -> None:
    modules = loaded(program)
    assert "fanout.engine.engine" in modules
    assert not modules & (INGRESS | ANSWERS | VALUES | OTHERS)
    ingress = {name for name in modules if name.startswith("fanout.ingress.")}
    assert ingress == {"fanout.ingress.ingress", "fanout.ingress.terms"}


def test_who_asks_for_a_part_loads_it() -> None:
    """So the names above are those of today."""
    assert loaded(BLOCKING, call='publisher.ingest("tcp://127.0.0.1:*")') >= INGRESS
    assert loaded(BLOCKING, call='publisher.answer("tcp://127.0.0.1:*")') >= ANSWERS
    assert loaded(BLOCKING, KEPT) >= VALUES
    used = "import fanout.asyncio, fanout.cli; fanout.Producer; fanout.asyncio.Producer"
    assert loaded(BLOCKING, call=f"{used}; import fanout.workers") >= OTHERS
