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
