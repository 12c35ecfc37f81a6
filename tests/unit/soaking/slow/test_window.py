"""How far is published ahead of those who must get everything."""

from __future__ import annotations

from soaking.slow.window import BATCH, Window


def published(window: Window) -> int:
    count = 0
    while due := window.due():
        assert due <= BATCH
        count += due
    return count


def test_nothing_is_published_before_anybody_was_looked_at() -> None:
    assert Window(1_000).due() == 0


def test_as_much_is_published_as_the_slowest_of_them_may_be_behind() -> None:
    window = Window(1_000)
    window.seen(0)
    assert published(window) == 1_000
    window.seen(1_000)
    assert published(window) == 0
    window.seen(650)
    assert published(window) == 350
    window.seen(5_000)
    assert published(window) == 0
