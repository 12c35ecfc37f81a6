"""Any bytes as a question, and any question about any log: an answer, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import msgpack
from hypothesis import given
from hypothesis import strategies as some

from fanout.answers.languages import JSON, language_of, text_of
from fanout.answers.reading import MEMBERS
from fanout.terms.question_terms import ANSWER_BYTES_MAX
from tests.helpers.asked import FakeView, FakeWatch, ask_all, replies_of

VALUES = some.recursive(
    some.none() | some.booleans() | some.integers(-(1 << 63), (1 << 64) - 1) | some.floats()
    | some.text(max_size=20) | some.binary(max_size=20),
    lambda each: some.lists(each, max_size=4)
    | some.dictionaries(some.text(max_size=8) | some.binary(max_size=8), each, max_size=4),
    max_leaves=12,
)  # fmt: skip
NAMES = some.sampled_from(
    [*{name for names in MEMBERS.values() for name in names}, "version", "id", "ask", "other"]
)
WORDS = some.sampled_from([*MEMBERS, 1, "1", "1.2", "a", "00000000000000ab", ["a", "b"], -3])
QUESTIONS = some.dictionaries(NAMES, WORDS | VALUES, max_size=6)
TOPICS = some.sampled_from([b"a", b"a.b", b"ab", b"\xff", b"", b"secret.1", b"secret.2"])
MESSAGES = some.lists(some.tuples(TOPICS, some.binary(max_size=9)) | some.tuples(TOPICS))


def read(data: bytes) -> Any:
    """An answer; it is one, or this raises."""
    assert len(data) <= ANSWER_BYTES_MAX
    is_json = data.startswith(b"{")
    answer = json.loads(data) if is_json else msgpack.unpackb(data)
    assert answer["version"] == 1
    assert ("error" in answer) != ("epoch" in answer)
    if "error" in answer:
        assert isinstance(answer["error"]["code"], str)
        assert len(data) < 2_000
    return answer


@given(some.binary())
def test_any_bytes(data: bytes) -> None:
    answer = replies_of(FakeView([b"a", b"1"])).answer(data, FakeWatch())
    read(answer.data)
    assert answer.data.startswith(b"{") == (language_of(data) is JSON)


@given(QUESTIONS, MESSAGES)
def test_any_question_in_either_language(said: dict[str, Any], messages: list[Any]) -> None:
    for data in (msgpack.packb(said), json.dumps(said, default=text_of, skipkeys=True).encode()):
        answer = replies_of(FakeView(*messages)).answer(data, FakeWatch())
        assert bool(answer.error) == ("error" in read(answer.data))


@given(
    MESSAGES,
    some.integers(0, 12),
    some.integers(1, 5),
    some.integers(0, 3),
    TOPICS,
    some.booleans(),
)
def test_lists_over_any_number_of_answers_are_whole(
    messages: list[tuple[bytes, ...]],
    floor: int,
    limit: int,
    looks: int,
    prefix: bytes,
    some_only: bool,
) -> None:
    """Whatever the limits are; and who may not ask for a topic sees nothing of it."""
    view = FakeView(*messages)
    view.floor = min(floor, len(messages))
    allowed = (b"a", b"\xff") if some_only else None
    replies = replies_of(view, allowed)
    given_prefix = text_of(prefix)

    def is_meant(topic: bytes) -> bool:
        return topic.startswith(prefix) and (allowed is None or topic.startswith(allowed))

    found = ask_all(
        replies, "messages", looks, ask="log", prefix=given_prefix, limit=limit, from_=-1_000
    )
    expected = [n for n in range(view.floor, len(messages)) if is_meant(messages[n][0])]
    assert [one["sequence"] for one in found] == expected
    values = ask_all(replies, "values", looks, ask="last", prefix=given_prefix, limit=limit)
    assert [one["sequence"] for one in values] == [
        sequence for topic, sequence in view.values.items() if is_meant(topic)
    ]
    topics = ask_all(
        replies, "topics", looks + 1_000, ask="topics", prefix=given_prefix, limit=limit
    )
    newest = {messages[n][0]: n for n in range(view.floor, len(messages)) if len(messages[n]) > 1}
    assert {json.dumps(one["topic"]): one["sequence"] for one in topics} == {
        json.dumps(text_of(topic)): n for topic, n in newest.items() if is_meant(topic)
    }
