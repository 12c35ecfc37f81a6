"""A subscriber of a run of chaos that speaks ZMTP itself."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from soaking.chaos.people import Person
from soaking.chaos.raw import Raw

if TYPE_CHECKING:
    from pathlib import Path


def test_who_cannot_say_what_it_wants_when_it_comes_again_is_not_there(tmp_path: Path) -> None:
    """Or it would be read from by a descriptor that it does not have."""
    person = Person(index=1, kind="firehose", ipc=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / person.policy))
        listener.listen()
        raw = Raw(person, 0, seed=1, published=lambda: 0, first=0, folder=str(tmp_path))
        accepted, _ = listener.accept()
        was_open = [raw.is_open]

        accepted.close()
        while not raw.half_open:
            raw.read()
        # More than a socket takes that nobody reads from: it fails in the middle of its handshake.
        raw.person = replace(person, prefixes=("x" * 240,) * 20_000)
        raw.turn(time.monotonic() + 60, all_of_it=False)
        was_open.append(raw.is_open)
        raw.person = person
        raw.turn(time.monotonic() + 120, all_of_it=False)
        was_open.append(raw.is_open)
        raw.close()
    assert was_open == [True, False, True]
    assert raw.half_open == 1
