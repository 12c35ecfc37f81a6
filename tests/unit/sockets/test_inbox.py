"""The inbox: fair, bounded, and never without a message that was put."""

from __future__ import annotations

import pytest

from fanout.sockets.errors import NotNowError
from fanout.sockets.inbox import Inbox, Lane
from fanout.sockets.limits import Limits


def taken(inbox: Inbox[str]) -> list[str]:
    found = []
    while len(inbox):
        found.append(inbox.take())
    return found


def test_peers_take_turns_whoever_was_first() -> None:
    inbox: Inbox[str] = Inbox(Limits())
    a, b, c = Lane(), Lane(), Lane()
    for number in range(4):
        inbox.put(a, f"a{number}", 1)
    for lane, name in ((b, "b"), (c, "c")):
        for number in range(2):
            inbox.put(lane, f"{name}{number}", 1)
    assert taken(inbox) == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "a3"]


def test_who_was_silent_has_no_turns_left_over() -> None:
    inbox: Inbox[str] = Inbox(Limits())
    a, b = Lane(), Lane()
    for number in range(100):
        inbox.put(a, f"a{number}", 1)
    assert [inbox.take() for _ in range(90)][-1] == "a89"
    for number in range(3):
        inbox.put(b, f"b{number}", 1)
    assert taken(inbox)[:6] == ["a90", "b0", "a91", "b1", "a92", "b2"]


def test_an_empty_inbox_has_nothing() -> None:
    inbox: Inbox[str] = Inbox(Limits())
    with pytest.raises(NotNowError):
        inbox.take()
    taken: list[tuple[int, int, int, str]] = []
    with pytest.raises(NotNowError):
        inbox.move(taken)
    assert taken == []


def test_what_is_put_back_is_the_next() -> None:
    inbox: Inbox[str] = Inbox(Limits())
    lane = Lane()
    for name in "abc":
        inbox.put(lane, name, 1)
    moved: list[tuple[int, int, int, str]] = []
    inbox.move(moved)
    inbox.put_back(moved)
    assert moved == []
    assert taken(inbox) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "limits", [Limits(inbox_messages=10), Limits(inbox_bytes=10 * 276)], ids=["messages", "bytes"]
)
def test_once_full_it_is_so_until_half_is_taken(limits: Limits) -> None:
    inbox: Inbox[str] = Inbox(limits)
    lane = Lane()
    for number in range(10):
        assert not inbox.is_full()
        inbox.put(lane, str(number), 100)
    assert inbox.is_full()
    for _ in range(4):
        assert not inbox.may_resume()
        inbox.take()
    assert inbox.is_full()
    assert inbox.may_resume()
    inbox.take()
    assert not inbox.is_full()
    assert not inbox.may_resume()


def test_the_end() -> None:
    inbox: Inbox[str] = Inbox(Limits())
    inbox.put(Lane(), "a", 1)
    assert inbox.clear() == 1
    assert len(inbox) == 0
    assert inbox.received == 1
