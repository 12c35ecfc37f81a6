"""What `fanout top` shows of last values, out of the shared memory of a real publisher."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from fanout import LastValues, Publisher
from tests.helpers.command import ROOT
from tests.helpers.waiting import DEADLINE_S


def top(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "fanout", "top", "--once", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    return done.stdout


def test_what_is_kept_for_who_comes_late_is_shown() -> None:
    name = f"values-{os.getpid()}"
    with Publisher(
        "tcp://127.0.0.1:*", workers=1, name=name, last_values=LastValues()
    ) as publisher:
        for number in range(3):
            publisher.publish(b"topic %d" % (number % 2), b"payload")
        shown = json.loads(top("--json", "--name", name))
        text = top("--name", name)

    assert shown["publisher"]["value_topics"] == 2
    assert shown["publisher"]["in_snapshot"] == 0
    assert {"replayed", "from_snapshot", "keyframes_lost", "in_snapshot"} <= {*shown["workers"][0]}
    assert "last values of 2 topics" in text
