"""A hole that does not fit the limit is complained of: the judge is tried with naive queues.

Each is one of somebody who stalls: the kernel takes some messages, then they wait, and are lost as
its policy says, or by a mistake in that. What has come in the end is what the judge is given.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from soaking.slow.heard import Heard
from soaking.slow.limits import breaches, parted
from soaking.slow.looks import Look, contradictions
from soaking.slow.people import (
    AGE,
    BYTES,
    MESSAGE_BYTES,
    MESSAGES,
    STALLS,
    TOPICS,
    Person,
    frames_of,
)
from soaking.slow.runs import Runs

PUBLISHED = 1_000
SECONDS = 0.01  # between two messages
LIMIT = 160  # messages
AGED = 100  # messages within the limit of an age
KERNEL = 30
TIMES = [SECONDS * number for number in range(PUBLISHED + TOPICS)]


def person_of(policy: str, kind: str, first: int = -1) -> Person:
    kind = "" if policy == "conflate" else kind
    return Person("me", False, first, policy, LIMIT * MESSAGE_BYTES, STALLS, gaps=False, kind=kind)


class Queue:
    """What waits for one who stalls.

    Args:
        keeps: the share of the limit that a jump leaves, or that `drop_newest` finishes.
    """

    def __init__(self, person: Person, loses: str, keeps: float) -> None:
        self.person, self.loses, self.keeps = person, loses, keeps
        self.limit = AGED if person.kind == AGE else LIMIT
        if person.first >= 0 and person.kind == AGE:
            self.limit //= 5
        self.taken: list[int] = []
        self.waiting: list[int] = []
        self.lost = 0
        self.full = False

    def add(self, number: int) -> None:
        """One that it wants was published."""
        if len(self.taken) < KERNEL:
            self.taken.append(number)
        elif self.full:
            self.lost += 1
        elif self.loses == "late" and len(self.waiting) > 3 * self.limit:
            self.full, self.lost = True, 1
        else:
            self.waiting.append(number)
            if len(self.waiting) > self.limit and self.loses not in ("nothing", "late"):
                self.cut()

    def cut(self) -> None:
        """It is over its limit."""
        kept = int(self.limit * self.keeps)
        self.lost += len(self.waiting) - kept
        self.full = self.loses == "newest"
        self.waiting = self.waiting[:kept] if self.full else self.waiting[-kept:]

    def look(self, published: int) -> Look:
        """Its counters."""
        queued, sent = len(self.waiting), len(self.taken)
        size = queued * MESSAGE_BYTES
        at = TIMES[published]
        return Look(published, at, queued + sent + self.lost, sent, queued, size, self.lost, 0)


def judged(person: Person, loses: str, keeps: float) -> str:
    """What the judge says of one with such a queue."""
    queue, looks = Queue(person, loses, keeps), []
    for number in filter(person.wants, range(PUBLISHED)):
        queue.add(number)
        if number % 50 in (1, 11):
            looks.append(queue.look(number + 1))
    end = queue.look(PUBLISHED)
    present = filter(person.wants, range(PUBLISHED, PUBLISHED + TOPICS))
    heard = Heard(person, lambda: end.at)
    for number in [*queue.taken, *queue.waiting, *present]:
        heard.add(frames_of(number))
    runs = Runs(person, heard.figures())
    texts = [*contradictions(person, [*looks, end], runs)]
    return "\n".join([*texts, *breaches(person, end, looks, runs, TIMES)])


EVERYBODY = [(kind, first) for kind in (BYTES, MESSAGES, AGE) for first in (-1, 10)]
RIGHT = {"drop_oldest": ("oldest", 15 / 16), "drop_newest": ("newest", 1.0)}


@pytest.mark.parametrize("policy", RIGHT)
@pytest.mark.parametrize(("kind", "first"), EVERYBODY)
def test_what_its_policy_says_is_not_complained_of(policy: str, kind: str, first: int) -> None:
    assert judged(person_of(policy, kind, first), *RIGHT[policy]) == ""


@pytest.mark.parametrize("policy", RIGHT)
@pytest.mark.parametrize(("kind", "first"), EVERYBODY)
@pytest.mark.parametrize("mistake", ["other end", "an eighth", "nothing is lost", "late"])
def test_a_mistake_in_what_is_lost_is_complained_of(
    policy: str, kind: str, first: int, mistake: str
) -> None:
    loses, _ = RIGHT[policy]
    other, other_keeps = RIGHT["drop_newest" if policy == "drop_oldest" else "drop_oldest"]
    wrong = {
        "other end": (other, other_keeps),
        "an eighth": (loses, 1 / 8),
        "nothing is lost": ("nothing", 1.0),
        "late": ("late", 1.0),  # at three times the limit
    }

    assert judged(person_of(policy, kind, first), *wrong[mistake]) != ""


def conflated(received: list[int]) -> str:
    person = person_of("conflate", "")
    heard = Heard(person, lambda: 0.0)
    for number in received:
        heard.add(frames_of(number))
    end = Look(PUBLISHED, 1.0, PUBLISHED, 20, 60, 60 * MESSAGE_BYTES, 0, PUBLISHED - 80)
    return "\n".join(breaches(person, end, [], Runs(person, heard.figures()), TIMES))


def test_who_conflates_gets_the_newest_of_each_topic_and_no_more_than_two_passes() -> None:
    newest = list(range(PUBLISHED - TOPICS, PUBLISHED + TOPICS))

    assert conflated([*range(70), *newest]) == ""
    assert "the newest on some topics are missing" in conflated([*range(70), *newest[1:]])
    assert "131 came that had waited, of 50 topics" in conflated([*range(101), *newest])


def closed(kind: str, discarded: int, label: str = "too_slow", text: str = "") -> str:
    waited = {BYTES: "9 bytes", MESSAGES: "9 messages"}.get(kind, "its oldest message")
    account = SimpleNamespace(
        reason=SimpleNamespace(label=label),
        text=text or f"{waited} {'has waited for 1.1 s' if kind == AGE else 'wait for it'}",
        sent=KERNEL,
        matched=KERNEL + discarded,
        discarded=discarded,
        discarded_bytes=discarded * MESSAGE_BYTES,
        closed=int(1e9 * TIMES[KERNEL + discarded]),
    )
    return "\n".join(parted(person_of("disconnect", kind), account, TIMES))


@pytest.mark.parametrize(("kind", "limit"), [(BYTES, LIMIT), (MESSAGES, LIMIT), (AGE, AGED + 1)])
def test_who_is_disconnected_is_so_at_its_limit(kind: str, limit: int) -> None:
    assert closed(kind, limit + 1) == ""
    assert "it was closed when" in closed(kind, limit // 8)
    assert "it was closed when" in closed(kind, limit if kind != AGE else 5 * AGED)
    assert "it was closed (limit)" in closed(kind, limit + 1, label="limit")
    assert "it was closed (too_slow): why" in closed(kind, limit + 1, text="why")


def test_a_message_that_is_younger_than_its_limit_may_not_be_missing() -> None:
    person = person_of("drop_oldest", AGE)
    heard = Heard(person, lambda: TIMES[500] + 0.9)
    heard.add(frames_of(0))
    heard.add(frames_of(501))
    end = Look(PUBLISHED, TIMES[PUBLISHED], PUBLISHED, 2, 0, 0, 500, 0)

    said = "\n".join(breaches(person, end, [], Runs(person, heard.figures()), TIMES))
    assert "it never got message 500, and the next one 0.90 s later" in said


@pytest.mark.parametrize(("is_sent", "said"), [(True, ""), (False, "message 10 was lost when")])
def test_what_was_sent_before_all_that_waits_was_not_lost(is_sent: bool, said: str) -> None:
    """After a pause of the feed the first one may be sent while it is young."""
    person = person_of("drop_oldest", AGE)
    times = [SECONDS * number + (number >= 10) for number in range(21)]
    end = Look(20, 1.7, 20, 1 + is_sent, 9, 9 * MESSAGE_BYTES, 10 - is_sent, 0)
    heard = Heard(person, lambda: end.at)
    for number in [0, *range(11 - is_sent, 20)]:
        heard.add(frames_of(number))

    texts = [*breaches(person, end, [], Runs(person, heard.figures()), times)]
    assert any(text.startswith(said) for text in texts) if said else texts == []
