"""Steps: who is sent nothing but what he wants of the log."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from fanout.reasons import Reason
from fanout.workers.stream.steps import is_plain
from tests.helpers.log import Worker

if TYPE_CHECKING:
    from fanout.workers.stream.member import Member

ANYTHING = mock.sentinel.anything
OF_ITS_OWN = {
    "older": deque([(1, None)]),
    "spill": b"rest",
    "control": b"PONG",
    "conflating": True,
    "gaps": ANYTHING,
    "mark": 0,
    "snapshots": ANYTHING,
    "replay": ANYTHING,
    "finishing": Reason.LAG,
    "sealed": ANYTHING,
    "cohort": None,
}


@pytest.fixture
def member() -> Member:
    worker = Worker()
    member, _ = worker.member(b"A", room=0)
    worker.log.publish(b"A")
    worker.advance()
    assert member.blocked
    return member


def test_who_is_only_behind_is_plain(member: Member) -> None:
    assert is_plain(member)


@pytest.mark.parametrize("name", OF_ITS_OWN)
def test_who_has_something_of_its_own_is_not(member: Member, name: str) -> None:
    setattr(member, name, OF_ITS_OWN[name])

    assert not is_plain(member)
