"""Topics of a Sub: as many as a subscriber may have, in both faces, with those on their way."""

from __future__ import annotations

import asyncio
import threading

import pytest

from fanout.errors import ConfigError
from fanout.sockets import Sub
from fanout.sockets import asyncio as awaited
from fanout.sockets.threads import ThreadActor
from fanout.subscriber import changes, settings
from tests.helpers.waiting import DEADLINE_S, wait_until

FEW = 3
TOO_MANY = "up to 3 topics: unsubscribe from some"


@pytest.fixture(autouse=True)
def few_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (changes, settings):
        monkeypatch.setattr(module, "TOPICS_MAX", FEW)


def fill(sub: Sub | awaited.Sub) -> None:
    for topic in (b"b", b"c", b"c", b"a"):
        sub.subscribe(topic)
    with pytest.raises(ConfigError, match=TOO_MANY):
        sub.subscribe(b"d")
    sub.unsubscribe(b"b")
    sub.subscribe(b"d")
    with pytest.raises(ConfigError, match=TOO_MANY):
        sub.subscribe(b"b")


def test_a_topic_too_many_is_refused() -> None:
    with Sub(b"a") as sub:
        fill(sub)
        wait_until(lambda: sub._role.wants == {b"a", b"c", b"d"}, "they are made")
        with pytest.raises(ConfigError, match=TOO_MANY):
            sub.subscribe(b"b")


def test_so_it_is_with_asyncio() -> None:
    async def main() -> None:
        async with awaited.Sub(b"a") as sub:
            fill(sub)
            assert sub._role.wants == {b"a", b"c", b"d"}

    asyncio.run(main())


def test_changes_that_are_not_made_yet_count_as_what_they_lead_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_held, may_go_on, tell = threading.Event(), threading.Event(), ThreadActor._tell

    def hold(actor: ThreadActor) -> None:
        tell(actor)
        is_held.set()
        may_go_on.wait(DEADLINE_S)

    monkeypatch.setattr(ThreadActor, "_tell", hold)
    with Sub() as sub:
        try:
            assert is_held.wait(DEADLINE_S), "the thread that makes them stands"
            fill(sub)
            assert sub._role.wants == set()
        finally:
            may_go_on.set()


@pytest.mark.parametrize("kind", [Sub, awaited.Sub], ids=["blocking", "asyncio"])
def test_it_is_not_made_with_too_many(kind: type[Sub]) -> None:
    before = threading.active_count()
    with pytest.raises(ConfigError, match="up to 3 topics, not 4"):
        kind([b"a", b"b", b"c", b"d", b"d"])
    assert threading.active_count() == before
