"""Policies that are chosen for a subscriber, in every way there is, with stock SUB sockets."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

import fanout.asyncio
from fanout import ClosedError, ConfigError, EventKind, Publisher, Reason, SlowPolicy, SlowRule
from fanout.observe.publishers import publishers
from tests.helpers.happenings import Happenings
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.observe.rows import SubscriberRow
    from fanout.shm.cards import Identity
    from tests.helpers.stock import Stock

NAME = "of this test"  # other tests of this process may have left memory that is not collected yet
OPTIONS: dict[str, Any] = {"name": NAME, "workers": 1, "log_bytes": 1 << 20}
ANY = "tcp://127.0.0.1:*"
SAY = b"\0fanout."


def rows() -> list[SubscriberRow]:
    """The subscribers of the publisher of this test."""
    found = publishers([os.getpid()])
    return [row for one in found if one.reader and one.name == NAME for row in one.reader.rows()]


def identity() -> Identity:
    """What the card of the only subscriber says."""
    (row,) = rows()
    return row.identity


def wait_for_policy(policy: SlowPolicy, chosen_by: str, name: str = "") -> None:
    """Wait until the only subscriber has this policy, as its card says."""

    def has_it() -> bool:
        for row in rows():
            who = row.identity
            return (who.slow_policy, who.chosen_by, who.name) == (policy, chosen_by, name)
        return False

    wait_until(has_it, f"{policy} by {chosen_by}")


def test_a_stock_subscriber_chooses_for_itself_and_takes_it_back(stock: Stock) -> None:
    happenings = Happenings()
    rules = [SlowRule(SlowPolicy("disconnect", limit_age=9), name="desk*")]
    with Publisher(ANY, on_event=happenings, slow_rules=rules, **OPTIONS) as publisher:
        said = [b"name=desk7", b"policy=conflate", b"min_interval=0.25", b"limit_messages=100"]
        subscriber = stock.connect(publisher.endpoints[0], b"", *(SAY + one for one in said))

        chosen = SlowPolicy("conflate", 0, 100, 9.0, min_interval=0.25)
        wait_for_policy(chosen, "subscriber", "desk7")
        (named,) = happenings.wait_for(EventKind.SUBSCRIBER_NAMED)
        assert (named.reason, named.subscriber) == ("desk7", identity().subscriber)
        for one in said[1:]:
            subscriber.unsubscribe(SAY + one)
        wait_for_policy(rules[0].policy, "rule", "desk7")
        subscriber.unsubscribe(SAY + said[0])
        wait_for_policy(SlowPolicy(), "publisher")
        last = "drop_oldest, as of the publisher"  # told within half a second
        changed = EventKind.POLICY_CHANGED
        wait_until(lambda: [e.reason for e in happenings.of(changed)][-1:] == [last], "the event")
        assert identity().subscriptions == 1  # reserved ones are none


def test_what_it_says_of_itself_is_no_subscription_and_is_sent_nothing(stock: Stock) -> None:
    with Publisher(ANY, **OPTIONS) as publisher:
        subscriber = stock.connect(publisher.endpoints[0], SAY + b"name=x", SAY + b"limit_age=1")
        wait_for_policy(SlowPolicy(limit_age=1.0), "subscriber", "x")

        assert not publisher.has_subscribers()
        subscriber.subscribe(b"\0")
        publisher.wait_for_subscribers(1, b"\0", timeout=DEADLINE_S)
        for topic in (SAY, SAY + b"name=x", SAY + b"gap"):
            verbs: list[Callable[[], object]] = [
                lambda topic=topic: publisher.publish(topic, b""),  # type: ignore[misc]
                lambda topic=topic: publisher.send(topic),  # type: ignore[misc]
                lambda topic=topic: publisher.send_multipart([topic, b"", b""]),  # type: ignore[misc]
                lambda topic=topic: publisher.send_json(1, topic=topic),  # type: ignore[misc]
                lambda topic=topic: publisher.send_string(topic.decode()),  # type: ignore[misc]
            ]
            for verb in verbs:
                with pytest.raises(ConfigError, match="is reserved"):
                    verb()
            with pytest.raises(ConfigError, match="is reserved"), publisher.batch() as batch:
                batch.publish(topic, b"")
        publisher.publish(b"\0fanout", b"not reserved")
        assert subscriber.recv_multipart() == [b"\0fanout", b"not reserved"]


def test_what_it_cannot_have_is_told_and_changes_nothing(stock: Stock) -> None:
    happenings = Happenings()
    with Publisher(ANY, on_event=happenings, **OPTIONS) as publisher:
        subscriber = stock.connect(publisher.endpoints[0], SAY + b"policy=block")
        (declined,) = happenings.wait_for(EventKind.CHOICE_DECLINED)
        assert "policy=block is not for subscribers" in declined.reason
        assert declined.cause is Reason.DECLINED
        subscriber.subscribe(SAY + b"limit_age=never")
        subscriber.subscribe(SAY + b"limit_ages=3")
        _, second, third = happenings.wait_for(EventKind.CHOICE_DECLINED, 3)
        assert "limit_age=never" in second.reason, "each is named"
        assert "limit_ages=3" in third.reason
        subscriber.subscribe(SAY + b"name=still here")
        wait_for_policy(SlowPolicy(), "publisher", "still here")


def test_no_self_service(stock: Stock) -> None:
    happenings = Happenings()
    with Publisher(ANY, on_event=happenings, self_service=False, **OPTIONS) as publisher:
        subscriber = stock.connect(publisher.endpoints[0], b"", SAY + b"name=x")
        (declined,) = happenings.wait_for(EventKind.CHOICE_DECLINED)
        assert "self_service=False" in declined.reason
        publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
        publisher.publish(b"t", b"served all the same")
        assert subscriber.recv_multipart() == [b"t", b"served all the same"]
        assert (identity().name, identity().chosen_by) == ("", "publisher")


def test_a_call_counts_most_and_ends_with_the_connection(stock: Stock) -> None:
    with Publisher(ANY, self_service_max="block", **OPTIONS) as publisher:
        stock.connect(publisher.endpoints[0], b"", SAY + b"policy=block")
        wait_for_policy(SlowPolicy("block"), "subscriber")
        number = identity().subscriber
        publisher.set_slow_policy(number, SlowPolicy("drop_newest", 9))
        wait_for_policy(SlowPolicy("drop_newest", 9), "call")
        publisher.set_slow_policy(number, "disconnect")
        wait_for_policy(SlowPolicy("disconnect"), "call")
        for wrong, words in (
            ("drop", "policy must be"),
            (SlowPolicy(limit_bytes=1 << 20), "policy: limit_bytes=1,048,576 is more than half"),
        ):
            with pytest.raises(ConfigError, match=words):
                publisher.set_slow_policy(number, wrong)  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match=f"no subscriber {number + 1} is connected"):
            publisher.set_slow_policy(number + 1, None)
        publisher.set_slow_policy(number, None)
        wait_for_policy(SlowPolicy("block"), "subscriber")
    with pytest.raises(ClosedError):
        publisher.set_slow_policy(number, None)


def test_a_call_of_the_asyncio_publisher(stock: Stock) -> None:
    async def run() -> None:
        async with fanout.asyncio.Publisher(ANY, **OPTIONS) as publisher:
            subscriber = stock.connect(publisher.endpoints[0], b"")
            await publisher.wait_for_subscribers(1, timeout=DEADLINE_S)
            await publisher.set_slow_policy(identity().subscriber, "conflate")
            await asyncio.to_thread(wait_for_policy, SlowPolicy("conflate"), "call")
            with pytest.raises(ConfigError, match="is reserved"):
                await publisher.send(SAY)
            with pytest.raises(ConfigError, match="is reserved"):
                async with publisher.batch() as batch:
                    batch.publish(SAY, b"")
            subscriber.close()

    asyncio.run(run())
