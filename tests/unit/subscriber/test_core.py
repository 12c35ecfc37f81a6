"""Several lines of one core, step by step: meetings that chance seldom arranges."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from fanout import ConfigError, Subscriber
from fanout import asyncio as awaited
from fanout.subscriber import changes, settings
from fanout.subscriber.backoff import BackOff
from fanout.subscriber.core import Core
from fanout.subscriber.past import StreamWithPast
from fanout.terms.introduction import PROPERTY, Introduction
from fanout.zmtp import encode_message
from fanout.zmtp.metadata import ready
from tests.helpers.remembering import Remembering, Showing
from tests.helpers.waiting import DEADLINE_S, wait_until
from tests.unit.zmtp.wire import GREETING

if TYPE_CHECKING:
    from pathlib import Path


def joined(wants: bytes) -> Remembering:
    """Two lines that have both brought messages 0 and 1."""
    feed = Remembering({wants}, 2)
    for number in (0, 1):
        feed.connect([], number)
    feed.publish([b"A", b"A"])
    send_all(feed)
    return feed


def send_all(feed: Remembering) -> None:
    for number in (0, 1):
        feed.send(9, [], number)
        feed.hear([], number)


def came(feed: Remembering) -> list[int | None]:
    assert {message.gap for message in feed.got} == {None}
    return [message.sequence for message in feed.got]


def test_who_does_not_know_yet_what_was_subscribed_to_brings_nothing() -> None:
    """It would bring what comes after the first message of that topic, which were a double then."""
    feed = joined(b"A")
    feed.publish([b"A", b"A"])
    feed.send(9, [], 0)
    feed.subscribe(b"B")
    feed.hear([], 0)
    feed.publish([b"B", b"A"])
    for _ in range(3):
        feed.send(1, [], 1)
    assert came(feed) == [0, 1, 2, 3]
    feed.send(9, [], 0)
    assert came(feed) == [0, 1, 2, 3, 4, 5]
    feed.hear([], 1)
    feed.publish([b"B", b"A"])
    send_all(feed)
    feed.publish([b"B"])
    feed.send(9, [], 1)
    assert came(feed) == [0, 1, 2, 3, 4, 5, 6, 7, 8], "it brings all again"


def test_what_it_left_to_others_before_it_knew_says_nothing_of_what_is_after() -> None:
    feed = joined(b"A")
    feed.subscribe(b"B")
    feed.hear([], 0)
    feed.publish([b"A"])
    feed.send(9, [], 1)  # left to the other, which has brought all up to that
    feed.send(9, [], 0)
    feed.publish([b"B"])  # only the first knows of it
    feed.hear([], 1)
    feed.publish([b"A"])
    feed.send(9, [], 1)
    feed.send(9, [], 0)
    assert came(feed) == [0, 1, 2, 3, 4]


def test_all_lines_lost_one_asks_for_all_that_none_has_brought() -> None:
    feed = joined(b"A")
    feed.hang_up(0, 1)
    feed.publish([b"A"])
    feed.send(9, [], 0)
    feed.hang_up(0, 0)
    feed.publish([b"A"])
    feed.connect([], 1)  # it was not there when message 2 came
    assert feed._served[1].pending == {3}
    feed.connect([], 0)
    assert feed._served[0].pending == set()
    send_all(feed)
    assert came(feed) == [0, 1, 2, 3]


@pytest.mark.parametrize("has_come", [False, True])
def test_a_line_that_was_never_up_is_told_of_a_restart_and_asks_for_all(*, has_come: bool) -> None:
    feed = Remembering({b"A"}, 2)
    feed.connect([], 0)
    feed.publish([b"A"] * has_come)
    feed.send(9, [], 0)
    feed.start_anew()
    feed.publish([b"A", b"A"])
    feed.connect([], 1)
    feed.hear([], 1)
    feed.send(9, [], 1)
    got = [(message.epoch, message.sequence) for message in feed.got]
    assert got == [*([(1, 0)] * has_come), (2, 0), (2, 1)]
    gaps = [message.gap and message.gap.reason for message in feed.got]
    assert gaps == [*([None] * has_come), "epoch", None]


def test_a_line_that_was_never_up_begins_anew_while_another_publisher_goes_on() -> None:
    feed = joined(b"A")
    merger = feed.core._merger
    assert merger is not None
    stream = StreamWithPast([b"A"])
    merger.place(stream, feed.epoch + 1)
    assert stream.known is None
    for number in (0, 1):
        feed.hang_up(0, number)
    merger.place(stream, feed.epoch + 1)
    assert stream.known == (feed.epoch, 1), "its epoch is what is known of it"


def test_a_position_is_asked_for_again_over_another_line_if_nothing_has_come() -> None:
    """Last values were to come as well: all of that is to come anew."""
    lines = [BackOff(lambda: 0.5) for _ in range(2)]
    feed = Showing({b"A"}, 2)
    feed.publish([b"A", b"A", b"A"])
    feed.core = Core(lines, {b"A"}, since=(feed.epoch, 0), last=True)
    feed.connect([], 0)
    feed.hang_up(0, 0)
    feed.connect([], 1)
    feed.send(9, [], 1)
    assert [message.sequence for message in feed.got] == [1, 2]


def later(cut_after: int) -> Remembering:
    """B is subscribed to with all that was published of it; the connection is cut once."""
    feed = Remembering({b"A"})
    feed.connect([])
    feed.publish([b"A", b"B", b"A", b"B", b"B"])
    feed.send(9, [])
    feed.subscribe_since(b"B", 0)
    for _ in range(3):
        feed.hear([])
    feed.send(cut_after, [])
    feed.hang_up(0)
    feed.publish([b"A", b"B"])
    feed.finish()
    return feed


def test_what_a_later_subscription_has_got_is_not_asked_for_again() -> None:
    for cut_after in range(4):
        feed = later(cut_after)
        on_b = [message.sequence for message in feed.got if message.topic == b"B"]
        on_a = [message.sequence for message in feed.got if message.topic == b"A"]
        assert (on_a, on_b) == ([0, 2, 5], [1, 3, 4, 6]), cut_after
        assert {message.gap for message in feed.got} == {None}
        assert feed.core.doubles == 0


@pytest.mark.parametrize("is_cut", [False, True])
def test_what_is_on_its_way_for_what_was_cancelled_is_not_of_a_later_subscription(
    is_cut: bool,
) -> None:
    """Else all that comes of that from further back would be taken to have come."""
    feed = Remembering({b"AB", b"C"})
    feed.connect([])
    feed.publish([b"AB", b"A", b"AB", b"C"])
    feed.unsubscribe(b"AB")
    feed.subscribe_since(b"A", 0)
    feed.send(3, [])
    assert came(feed) == [3]
    if is_cut:
        feed.hang_up(0)
    feed.finish()
    assert came(feed) == [3, 0, 1, 2, 4]
    assert (feed.core.doubles, feed.core.streams[0].unwanted) == (0, 2)


@pytest.mark.parametrize("prefix", [b"A", b"AB"])
@pytest.mark.parametrize("is_up", [False, True])
def test_what_is_subscribed_to_behind_it_cuts_off_nothing_of_a_later_subscription(
    prefix: bytes, is_up: bool
) -> None:
    """Whether the connection is lost, or is not there yet: it was said behind it."""
    feed = Remembering({b"B"})
    if is_up:
        feed.connect([])
    feed.publish([b"A", b"AB", b"B"])
    feed.subscribe_since(b"A" if prefix == b"AB" else b"AB", 0)
    feed.publish([b"A", b"AB", b"B"])
    feed.subscribe(prefix)
    feed.hang_up(0)
    feed.finish()
    on_ab = [message.sequence for message in feed.got if message.topic == b"AB"]
    on_a = [message.sequence for message in feed.got if message.topic == b"A"]
    assert on_ab == [1, 4, 6]
    # Who subscribes to "A" without a past gets that from where it was, not what was before.
    assert on_a == ([0, 3] if prefix == b"AB" else [0, 3] if is_up else [])
    assert {message.gap for message in feed.got} == {None}
    assert {*feed.owed} <= {(message.epoch, message.sequence) for message in feed.got}


@pytest.mark.parametrize("is_another", [False, True])
def test_what_was_lost_before_all_was_one_stream_is_told_over_the_next_connection(
    is_another: bool,
) -> None:
    """The mark says that all up to there has come, or was told: that is not asked for again."""
    feed = Remembering({b"A"})
    feed.connect([])
    if is_another:
        feed.start_anew()
        feed.connect([])
    feed.subscribe_since(b"", 0)
    feed.publish([b"A"])
    for _ in range(2):
        feed.hear([])
    feed.lose(1)
    feed.publish([b"A"])
    feed.hang_up(156)  # behind the mark, in the middle of the message
    feed.finish()
    assert [message.sequence for message in feed.got] == [1, 2]
    gap = feed.got[0].gap
    assert gap is not None
    assert (gap.reason, gap.first, gap.last) == ("epoch" if is_another else "lag", 0, 0)
    losses = feed.core.streams[0].losses
    assert (losses.missing, losses.holes) == (1, int(is_another))


FEW = 3


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Where no publisher is, so that all that is subscribed to waits."""
    for module in (changes, settings):
        monkeypatch.setattr(module, "TOPICS_MAX", FEW)
    return f"ipc://{tmp_path}/nobody"


def test_topics_that_wait_for_a_publisher_have_a_limit(nobody: str) -> None:
    with Subscriber(nobody, b"a") as subscriber:
        subscriber.subscribe(b"b", since="-1s")
        subscriber.subscribe(b"c")
        known = subscriber._reading._core
        wait_until(lambda: known.wants == {b"a", b"c"}, "what was said before")
        with pytest.raises(ConfigError, match="up to 3 topics: unsubscribe from some"):
            subscriber.subscribe(b"d", since="-1s")
    with pytest.raises(ConfigError, match="up to 3 topics, not 4"):
        Subscriber(nobody, [b"a", b"b", b"c", b"d"])


def test_changes_that_are_not_made_yet_count_as_what_they_lead_to(nobody: str) -> None:
    is_held, may_go_on = threading.Event(), threading.Event()

    def hold(_event: object) -> None:
        is_held.set()
        may_go_on.wait(DEADLINE_S)

    with Subscriber(nobody, b"a", on_event=hold) as subscriber:
        try:
            assert is_held.wait(DEADLINE_S), "the thread that makes them stands"
            for _ in range(2 * FEW):
                subscriber.unsubscribe(b"unknown")
            for topic in (b"b", b"c", b"c", b"a"):
                subscriber.subscribe(topic)
            for topic in (b"d", b"unknown"):
                with pytest.raises(ConfigError, match="up to 3 topics: unsubscribe from some"):
                    subscriber.subscribe(topic)
            for topic in (b"a", b"c"):
                subscriber.unsubscribe(topic)
            subscriber.subscribe(b"d")
            subscriber.subscribe(b"c", since="-1s")
            with pytest.raises(ConfigError, match="up to 3 topics: unsubscribe from some"):
                subscriber.subscribe(b"a")
        finally:
            may_go_on.set()
        known = subscriber._reading._core
        wait_until(lambda: known.wants == {b"b", b"d"}, "they are made")
        subscriber.subscribe(b"c")
        with pytest.raises(ConfigError, match="up to 3 topics: unsubscribe from some"):
            subscriber.subscribe(b"a")


def test_so_have_those_of_asyncio(nobody: str) -> None:
    async def subscribe() -> None:
        async with awaited.Subscriber(nobody, b"a") as subscriber:
            subscriber.subscribe(b"b", since="-1s")
            subscriber.subscribe(b"c")
            with pytest.raises(ConfigError, match="up to 3 topics: unsubscribe from some"):
                subscriber.subscribe(b"d")
            for known in (b"a", b"b", b"c"):
                subscriber.subscribe(known)
            subscriber.unsubscribe(b"b")
            subscriber.subscribe(b"d")

    asyncio.run(subscribe())


@pytest.mark.parametrize("lines", [1, 2])
def test_who_begins_and_is_not_understood_in_one_read_has_begun(lines: int) -> None:
    """What came in between is of the new connection, and numbered as that one says."""
    core = Core([BackOff(lambda: 0.5) for _ in range(lines)], [b"A"])
    core.due(0.0)
    core.lines[0].connected(0.0)
    introduction = Introduction(77, 4, sequence=True)
    opening = GREETING + ready(b"PUB", {PROPERTY: introduction.to_bytes()})
    number = introduction.epoch.to_bytes(8, "big") + (4).to_bytes(8, "big")
    nonsense = b"\x02" + b"\xff" * 8
    done = core.received(0, opening + encode_message([b"A", b"it", number]) + nonsense, 0.0)
    assert done.begins
    assert done.lost is not None
    assert [(one.sequence, one.frames) for one in done.messages] == [(4, (b"A", b"it"))]
