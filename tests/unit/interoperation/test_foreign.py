"""The harness against a program that behaves as it is told."""

from __future__ import annotations

import sys

import pytest

from interoperation.foreign import Failed, Foreign

PROGRAM = """
import sys
print("ready", flush=True)
for line in sys.stdin:
    if line == "end\\n":
        sys.exit(3)
    print(line, end="", flush=True)
"""
COMMAND = [sys.executable, "-c", PROGRAM]


def test_messages_are_taken_up_to_the_last() -> None:
    with Foreign(COMMAND, "tcp://127.0.0.1:1") as it:
        it.tell("message a b")
        it.tell("message c")
        assert it.wait_for("c", 20) == ["a b", "c"]
        assert it.take() == []


def test_events_of_its_monitor_are_counted() -> None:
    with Foreign(COMMAND, "tcp://127.0.0.1:1") as it:
        for line in ("event connected", "event connected", "message a"):
            it.tell(line)
        assert it.wait_for("a", 20) == ["a"]
        assert it.events() == {"connected": 2}
        assert it.said() == "nothing"


def test_words_are_handed_over() -> None:
    program = "import sys; print('ready', *sys.argv[1:], sep='\\n', flush=True); input()"
    with Foreign([sys.executable, "-c", program], "tcp://x", "a=b c") as it:
        assert it.end() == 0
        assert it.said() == "tcp://x; a=b c"


def test_what_is_no_message_is_kept_to_be_shown() -> None:
    with Foreign(COMMAND, "tcp://127.0.0.1:1") as it:
        it.tell("error no route")
        with pytest.raises(Failed, match=r"the last message did not come .*error no route"):
            it.wait_for("a", 0.5)


def test_its_exit_status_is_told() -> None:
    with Foreign(COMMAND, "tcp://127.0.0.1:1") as it:
        assert it.end() == 3


def test_a_program_that_does_not_start_is_a_failure_with_its_words() -> None:
    with pytest.raises(Failed, match=r"did not get ready.*no such engine"):
        Foreign([sys.executable, "-c", "print('no such engine')"], "tcp://127.0.0.1:1")
