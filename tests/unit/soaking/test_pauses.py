"""How late a process woke up that goes before all others."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import closing, suppress
from dataclasses import replace
from unittest import mock

from benchmarks.channel import Channel, ChannelClosed
from benchmarks.children import Child
from soaking import pauses
from soaking.pauses import PAUSE_NS, STEP_NS, Pauses
from soaking.report import table
from soaking.summary import MACHINE_SHARE_MAX
from tests.helpers.waiting import DEADLINE_S
from tests.unit.soaking.test_report import CALM


def test_what_is_late_is_noted_and_what_is_very_late_is_a_pause() -> None:
    seen = Pauses()
    assert seen.figures() == {"longest_ns": 0, "paused_ns": 0}

    seen.woke(STEP_NS + PAUSE_NS)
    assert seen.figures()["paused_ns"] == 0
    for late in (PAUSE_NS + 1, 5 * PAUSE_NS, 1_000):
        seen.woke(STEP_NS + late)

    figures = seen.figures()
    assert figures["paused_ns"] == 6 * PAUSE_NS + 1
    assert 5 * PAUSE_NS <= figures["longest_ns"] < 5.1 * PAUSE_NS


def test_a_machine_that_stood_still_is_told_of() -> None:
    assert "stood still" not in table([replace(CALM, machine_share=MACHINE_SHARE_MAX)])
    text = table([replace(CALM, machine_share=0.02, machine_max_ms=150.0)])
    assert "none: the machine itself stood still for 2.0% of the time" in text
    assert "150" in text.splitlines()[2]


def test_requests_that_come_at_once_are_answered() -> None:
    """A machine that is busy lets it read both with one call."""
    ours, theirs = socket.socketpair()
    with ours, closing(Channel(theirs)) as channel:
        ours.settimeout(DEADLINE_S)
        ours.sendall(b'{"do": "begin"}\n{"do": "end"}\n')
        looks = threading.Thread(target=until_closed, args=(channel,), daemon=True)
        looks.start()
        answers = ours.makefile("rb")
        assert answers.readline() == b'{"ready": true}\n'
        assert set(json.loads(answers.readline())) == {"longest_ns", "paused_ns"}
        ours.shutdown(socket.SHUT_WR)
        looks.join(DEADLINE_S)
        assert not looks.is_alive()


def until_closed(channel: Channel) -> None:
    with suppress(ChannelClosed), mock.patch.object(pauses, "_go_first"):
        pauses.main(channel, [])


def test_a_process_looks() -> None:
    with Child("soaking.pauses") as child:
        child.answer(30)
        child.tell(do="begin")
        figures = child.ask(30, do="end")
    assert set(figures) == {"longest_ns", "paused_ns"}
    assert figures["paused_ns"] >= 0
