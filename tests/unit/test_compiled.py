"""Whether the compiled part is used: when it was built, and nobody wants Python."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.helpers.built import IS_BUILT
from tests.helpers.waiting import DEADLINE_S

ASK = """
import sys
if {hidden!r}:
    sys.modules["fanout._speed"] = None
from fanout.compiled import is_compiled
print(is_compiled(), is_compiled())
"""


@pytest.mark.parametrize(
    ("value", "hidden", "expected"),
    [
        (None, False, IS_BUILT),
        ("", False, IS_BUILT),
        ("0", False, IS_BUILT),
        ("1", False, False),
        (None, True, False),
    ],
)
def test_it_is_used_if_it_is_there_and_wanted(
    value: str | None, hidden: bool, expected: bool
) -> None:
    environment = {name: text for name, text in os.environ.items() if name != "FANOUT_PURE"}
    if value is not None:
        environment["FANOUT_PURE"] = value

    done = subprocess.run(
        [sys.executable, "-c", ASK.format(hidden=hidden)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )

    assert done.stdout.split() == [str(expected)] * 2
