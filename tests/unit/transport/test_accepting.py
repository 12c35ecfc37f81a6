"""Accepting: who has left is passed over, and who finds no room goes on waiting."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest

from fanout.basics.system_calls import EXHAUSTED
from fanout.transport import accepting
from fanout.transport.accepting import ACCEPTS_PER_TURN, ExhaustedError, sparing, waiting_at
from tests.helpers.waiting import DEADLINE_S


class Listening:
    """Answers each accept with the next of these; with the last one for ever."""

    def __init__(self, *answers: str | OSError) -> None:
        self.answers = [*answers]

    def accept(self) -> tuple[str, str]:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer, ""


def taken(*answers: str | OSError) -> list[str]:
    listening: Any = Listening(*answers)
    found: list[Any] = [sock for sock, _address in waiting_at(listening)]
    return found


def test_all_who_wait_are_accepted_but_those_who_have_left() -> None:
    gone, nobody = ConnectionAbortedError(errno.ECONNABORTED, ""), BlockingIOError()
    assert taken("a", gone, "b", nobody) == ["a", "b"]
    assert taken("a") == ["a"] * ACCEPTS_PER_TURN, "others have their turn in between"
    assert taken(gone) == [], "it spins for ever"


@pytest.mark.parametrize("number", sorted(EXHAUSTED))
def test_what_the_system_lacks_is_told(number: int) -> None:
    listening: Any = Listening("a", OSError(number, "it has none"))
    coming = waiting_at(listening)
    assert next(coming)
    with pytest.raises(ExhaustedError, match="it has none") as told:
        next(coming)
    assert (told.value.errno, told.value.strerror) == (number, "it has none")


def test_the_last_descriptors_are_left_to_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        with socket.create_connection(listening.getsockname()) as first:
            ((served, _address),) = sparing_once(listening)
            allowed = served.fileno()
            served.close()
            first.recv(1)
        monkeypatch.setattr(accepting, "allowed_descriptors", lambda: allowed)
        with socket.create_connection(listening.getsockname()) as second:
            with pytest.raises(ExhaustedError, match=r"kept for the program$"):
                sparing_once(listening)
            second.settimeout(0)
            with pytest.raises(BlockingIOError):
                second.recv(1)  # it goes on waiting, and is accepted when there are more
            listening.accept()[0].close()
        listening.setblocking(False)
        assert list(sparing(listening)) == [], "nobody waits: nothing is to be told"


def sparing_once(listening: socket.socket) -> list[tuple[socket.socket, object]]:
    """Who waits, of whom there is one."""
    listening.setblocking(True)
    listening.settimeout(DEADLINE_S)
    return [next(sparing(listening))]
