"""What a question may say, and how it is refused what it may not."""

from __future__ import annotations

from typing import Any

import pytest

from fanout.answers.reading import MEMBERS, QuestionError, id_of, question_of
from fanout.terms.question_terms import ENTRIES_MAX, ID_BYTES_MAX, TOPIC_BYTES_MAX, TOPICS_MAX

HALF = chr(0xD800)  # of a character: it has no UTF-8


def refused(said: object) -> QuestionError:
    with pytest.raises(QuestionError) as caught:
        question_of(said)
    return caught.value


def test_the_shortest_one_of_each_kind() -> None:
    for ask in MEMBERS:
        question = question_of({"ask": ask})
        assert (question.ask, question.limit, question.after) == (ask, ENTRIES_MAX, ())
        assert (question.topics, question.prefix, question.first, question.stop) == (
            *(None, b"", 0),
            None,
        )


def test_all_that_one_may_say() -> None:
    said = {"version": 1, "ask": "log", "id": 3, "from": -5, "to": 9, "prefix": {"base64": "/w=="}}
    question = question_of(said | {"epoch": "00000000000000ab", "after": "7", "limit": 2})
    assert question.prefix == b"\xff"
    assert (question.first, question.stop, question.limit) == (-5, 9, 2)
    assert (question.epoch, question.after) == ("00000000000000ab", (7,))
    assert question_of({"ask": "topics", "after": "2.17"}).after == (2, 17)
    assert question_of({"ask": "last", "topics": ["a", b"b"]}).topics == (b"a", b"b")


@pytest.mark.parametrize("said", [None, [], 7, "now", b"now", True, 1.5])
def test_what_is_no_map(said: object) -> None:
    assert refused(said).code == "not_understood"


@pytest.mark.parametrize("version", [0, 2, "1", None, True, 1 << 70])
def test_a_version_that_is_not_known(version: object) -> None:
    error = refused({"version": version, "ask": "now"})
    assert (error.code, error.more) == ("version", {"versions": [1]})


@pytest.mark.parametrize("ask", [None, "", "Now", 7, [], {}, b"now"])
def test_what_cannot_be_asked(ask: object) -> None:
    assert refused({"ask": ask}).code == "unknown"


BAD: dict[str, tuple[object, ...]] = {
    "limit": (0, -1, ENTRIES_MAX + 1, "1", 1.0, True, None),
    "from": ("1", 1.0, True, None, 1 << 63),
    "to": ("1", -1, None, 1 << 63),
    "epoch": (7, "", "ab", "0" * 17, "G" * 16, None),
    "after": (7, "", "a", "1.", "-1", "1.2.3", None, "1" * 20),
    "prefix": (7, None, [], {"base64": 7}, {"base64": "?"}, HALF, "x" * (TOPIC_BYTES_MAX + 1)),
    "id": (1.5, True, [], {}, HALF, "x" * (ID_BYTES_MAX + 1), 1 << 63),
    "frm": (3,),
    "topics": (["a"],),
}


@pytest.mark.parametrize(
    ("member", "value"), [(member, value) for member, values in BAD.items() for value in values]
)
def test_what_a_question_about_the_log_may_not_say(member: str, value: object) -> None:
    error = refused({"ask": "log", member: value})
    assert error.code == "invalid"
    assert member in str(error)


@pytest.mark.parametrize(
    "topics", [[], "a", {}, None, [7], [None], ["a"] * (TOPICS_MAX + 1), ["x" * 256]]
)
def test_topics_that_cannot_be_asked_for(topics: Any) -> None:
    assert refused({"ask": "last", "topics": topics}).code == "invalid"


def test_topics_and_a_prefix_do_not_go_together() -> None:
    assert refused({"ask": "last", "topics": ["a"], "prefix": "a"}).code == "invalid"


def test_a_misspelt_member_is_told() -> None:
    assert "did you mean 'prefix'" in str(refused({"ask": "log", "prefx": "a"}))


@pytest.mark.parametrize("name", [7, -7, "a", "", b"\xff", "é"])
def test_what_a_question_may_be_called(name: object) -> None:
    assert id_of({"id": name}) == name


@pytest.mark.parametrize("said", [None, [], {}, {"id": None}, {"id": True}, {"id": 1 << 64}])
def test_what_is_not_said_again(said: object) -> None:
    assert id_of(said) is None
