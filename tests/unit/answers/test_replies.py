"""Questions about a publisher that is a list of messages, and their answers."""

from __future__ import annotations

import json
from typing import Any

import msgpack
import pytest

from fanout.answers.view import UnsettledError
from fanout.terms.question_terms import ANSWER_BYTES_MAX, QUESTION_BYTES_MAX, STRIDE
from fanout.terms.reserved import RESERVED
from tests.helpers.asked import FakeView, FakeWatch, ask, ask_all, replies_of

PRICES = [[b"price.%d" % (n % 5), b"%d" % n] for n in range(20)]


def test_now() -> None:
    view = FakeView(*PRICES)
    view.floor = 3
    assert ask(replies_of(view), ask="now") == {
        "version": 1,
        "epoch": view.epoch,
        "sequence": 20,
        "oldest": 3,
        "last_values": True,
    }


def test_what_it_is_called_is_in_the_answer() -> None:
    replies = replies_of(FakeView())
    assert ask(replies, ask="now", id="a7")["id"] == "a7"
    assert ask(replies, ask="no", id=7)["id"] == 7
    assert "id" not in ask(replies, ask="now")


def test_msgpack_is_answered_in_msgpack() -> None:
    replies = replies_of(FakeView([b"\xff", b"\0"]))
    question = msgpack.packb({"ask": "last", "topics": [b"\xff", "no"], "id": b"x"})
    answer = msgpack.unpackb(replies.answer(question, FakeWatch()).data)
    assert answer["id"] == b"x"
    assert answer["values"] == [{"sequence": 0, "age": 1.0, "frames": [b"\xff", b"\0"]}, None]
    refused = msgpack.unpackb(replies.answer(msgpack.packb({"ask": "x"}), FakeWatch()).data)
    assert refused["error"]["code"] == "unknown"
    cut = replies.answer(question[:-1], FakeWatch())
    assert msgpack.unpackb(cut.data)["error"]["code"] == cut.error == "not_understood"


def test_last_of_topics() -> None:
    replies = replies_of(FakeView(*PRICES))
    answer = ask(replies, ask="last", topics=["price.1", "price.9", {"base64": "cHJpY2UuMg=="}])
    assert [value and value["frames"] for value in answer["values"]] == [
        ["price.1", "16"],
        None,
        ["price.2", "17"],
    ]


@pytest.mark.parametrize(("limit", "looks"), [(1, 1 << 30), (2, 1 << 30), (10, 0), (10, 2)])
def test_last_of_topics_over_any_number_of_answers(limit: int, looks: int) -> None:
    replies = replies_of(FakeView(*PRICES))
    topics = ["price.4", "nothing", "price.0", "price.0", "price.1"]
    found = ask_all(replies, "values", looks, ask="last", topics=topics, limit=limit)
    assert [value and value["sequence"] for value in found] == [19, None, 15, 15, 16]


def test_last_of_a_prefix_over_any_number_of_answers() -> None:
    view = FakeView(*PRICES, [b"other", b"1"], [b"one frame"])
    replies = replies_of(view)
    expected = [[f"price.{n}", f"{15 + n}"] for n in range(5)]
    for limit in (1, 2, 5, 100):
        for looks in (0, 1, 100):
            found = ask_all(replies, "values", looks, ask="last", prefix="price.", limit=limit)
            assert [value["frames"] for value in found] == expected
    assert len(ask_all(replies, "values", ask="last")) == 6


def test_many_topics_without_one_that_is_meant_take_several_answers() -> None:
    view = FakeView(*([b"%d" % n, b""] for n in range(3 * STRIDE)), [b"x", b"last"])
    replies = replies_of(view)
    answer = ask(replies, FakeWatch(0), ask="last", prefix="x")
    assert (answer["values"], answer["more"]) == ([], str(STRIDE + 1))
    found = ask_all(replies, "values", 0, ask="last", prefix="x")
    assert [value["frames"] for value in found] == [["x", "last"]]


def test_last_without_last_values() -> None:
    answer = ask(replies_of(FakeView(keeps_values=False)), ask="last")
    assert answer["error"]["code"] == "not_kept"


def test_a_value_that_is_not_known_is_no_other_one() -> None:
    class Unsettled(FakeView):
        def last(self, topic: bytes) -> Any:
            raise UnsettledError("meant")

    answer = ask(replies_of(Unsettled()), ask="last", topics=["a"])
    assert answer["error"] == {"code": "unsettled", "text": "meant"}


def test_topics() -> None:
    view = FakeView(*PRICES, [b"other", b"1"], [b"one frame"])
    answer = ask(replies_of(view), ask="topics", prefix="price.")
    assert answer["topics"][0] == {"topic": "price.0", "sequence": 15, "age": 7.0, "rate": 0.1}
    assert len(answer["topics"]) == 5
    assert (answer["from"], answer["window"], answer["complete"]) == (0, 10.0, True)


def test_topics_over_any_number_of_answers() -> None:
    view = FakeView(*([b"t.%d" % n, b""] for n in range(300)))
    replies = replies_of(view)
    whole = ask(replies, ask="topics")["topics"]
    assert len(whole) == 300
    for limit, looks in ((7, 1 << 30), (300, 0), (300, 3)):
        assert ask_all(replies, "topics", looks, ask="topics", limit=limit) == whole


def test_a_list_of_topics_that_is_not_kept() -> None:
    answer = ask(replies_of(FakeView()), ask="topics", after="9.3")
    assert answer["error"]["code"] == "gone"


def numbers(messages: list[dict[str, Any]]) -> list[int]:
    return [message["sequence"] for message in messages]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ({}, range(20)),
        ({"from_": 17}, [17, 18, 19]),
        ({"from_": 3, "to": 6}, [3, 4, 5]),
        ({"from_": -2}, [18, 19]),
        ({"from_": -1_000}, range(20)),
        ({"from_": 20}, []),
        ({"from_": 1_000, "to": 2_000}, []),
        ({"from_": 6, "to": 3}, []),
        ({"prefix": "price.1"}, [1, 6, 11, 16]),
        ({"prefix": "nothing"}, []),
        ({"epoch": "00000000000000ab", "from_": 19}, [19]),
    ],
)
def test_a_range_of_the_log(question: dict[str, Any], expected: list[int]) -> None:
    replies = replies_of(FakeView(*PRICES))
    for limit, looks in ((10_000, 1 << 30), (1, 1 << 30), (3, 0)):
        found = ask_all(replies, "messages", looks, ask="log", limit=limit, **question)
        assert numbers(found) == list(expected)
        assert all(message["frames"][1] == str(message["sequence"]) for message in found)


def test_what_is_gone_is_told() -> None:
    view = FakeView(*PRICES)
    view.floor = 5
    replies = replies_of(view)
    gone = ask(replies, ask="log", from_=4)["error"]
    assert (gone["code"], gone["oldest"]) == ("gone", 5)
    assert numbers(ask(replies, ask="log", from_=-20)["messages"]) == list(range(5, 20))
    other = ask(replies, ask="log", from_=7, epoch="00000000000000ac")["error"]
    assert (other["code"], other["oldest"]) == ("gone", 5)


def test_what_goes_while_it_is_read_is_told_in_the_next_answer() -> None:
    class Going(FakeView):
        def message(self, sequence: int) -> Any:
            found = super().message(sequence)
            if sequence == 6:
                self.floor = 12
            return found

    replies = replies_of(Going(*PRICES))
    answer = ask(replies, ask="log", from_=5)
    assert (numbers(answer["messages"]), answer["more"]) == ([5, 6], "7")
    assert ask(replies, ask="log", from_=5, after="7")["error"]["code"] == "gone"


def test_an_answer_is_bounded_and_each_message_is_in_one() -> None:
    size = ANSWER_BYTES_MAX // 5
    view = FakeView(*([b"big", b"x" * size] for _ in range(12)))
    replies = replies_of(view)
    answer = replies.answer(b'{"ask":"log"}', FakeWatch())
    assert len(answer.data) <= ANSWER_BYTES_MAX
    assert numbers(json.loads(answer.data)["messages"]) == [0, 1, 2, 3]
    assert numbers(ask_all(replies, "messages", ask="log")) == list(range(12))


@pytest.mark.parametrize(
    "payload", [b"x" * ANSWER_BYTES_MAX, b"\x80" * (ANSWER_BYTES_MAX * 4 // 5)]
)
def test_what_fits_into_no_answer_is_told_of(payload: bytes) -> None:
    """The latter would in msgpack."""
    view = FakeView([b"a", b"1"], [b"big", payload], [b"b", b"2"])
    replies = replies_of(view)
    answer = ask(replies, ask="log")
    assert answer["messages"][1]["frames"] is None
    assert answer["messages"][1]["topic"] == "big"
    assert answer["messages"][1]["bytes"] >= len(payload)
    assert numbers(answer["messages"]) == [0, 1, 2]
    [value] = ask(replies, ask="last", topics=["big"])["values"]
    assert (value["sequence"], value["frames"]) == (1, None)
    view.large.add(1)
    assert ask(replies, ask="log", from_=1, to=2)["messages"][0]["frames"] is None


def test_topics_that_may_not_be_asked_for_are_not_there() -> None:
    messages = [[b"mine.1", b""], [b"secret.1", b""], [b"mine.2", b""], [b"secret.1", b""]]
    replies = replies_of(FakeView(*messages), allowed=(b"mine.", b"ours."))
    for answer in (
        ask_all(replies, "values", ask="last"),
        ask_all(replies, "values", ask="last", prefix="secret"),
        ask_all(replies, "topics", ask="topics"),
        ask_all(replies, "topics", ask="topics", prefix="secret"),
        ask_all(replies, "messages", ask="log"),
        ask_all(replies, "messages", ask="log", prefix="secret"),
    ):
        assert "secret" not in json.dumps(answer)
    assert numbers(ask_all(replies, "messages", ask="log")) == [0, 2]
    there, elsewhere = (
        ask(replies, ask="last", topics=["mine.1", name]) for name in ("secret.1", "secret.2")
    )
    assert there["error"]["code"] == "forbidden"
    assert json.dumps(there).replace("secret.1", "secret.2") == json.dumps(elsewhere)
    assert ask(replies, ask="last", topics=["ours.9"])["values"] == [None]


def test_the_reserved_space_is_not_there() -> None:
    reserved = RESERVED + b"x"
    replies = replies_of(FakeView([reserved, b"1"], [b"a", b"2"]))
    assert numbers(ask(replies, ask="last")["values"]) == [1]
    assert [one["topic"] for one in ask(replies, ask="topics")["topics"]] == ["a"]
    assert ask(replies, ask="log", prefix=reserved.decode())["messages"] == []
    answer = ask(replies, ask="last", topics=[reserved.decode()])
    assert answer["error"]["code"] == "forbidden"


def test_a_question_that_is_too_long_is_answered() -> None:
    replies = replies_of(FakeView())
    spaces = b" " * (QUESTION_BYTES_MAX - len(b'{"ask":"now"}'))
    assert not replies.answer(b'{"ask":"now"}' + spaces, FakeWatch()).error
    answer = replies.answer(b'{"ask":"now"}' + spaces + b" ", FakeWatch())
    assert answer.error == "too_large"
    packed = replies.answer(msgpack.packb({"ask": "x" * QUESTION_BYTES_MAX}), FakeWatch())
    assert msgpack.unpackb(packed.data)["error"]["code"] == "too_large"


def test_maps_in_maps_of_any_depth_are_answered() -> None:
    """In msgpack there are some that can be read, and not be shown any more.

    What is too deep to be read differs: Python 3.13 reads as much JSON as a question may have.
    """
    replies = replies_of(FakeView())
    codes = {replies.answer(in_json(depth), FakeWatch()).error for depth in range(500, 8_000, 20)}
    assert codes - {"not_understood"} == {"unknown"}
    codes = {replies.answer(in_msgpack(depth), FakeWatch()).error for depth in range(500, 1_100)}
    assert codes == {"unknown", "not_understood"}


def in_json(depth: int) -> bytes:
    return b'{"ask":' + b"[" * depth + b"]" * depth + b"}"


def in_msgpack(depth: int) -> bytes:
    return b"\x81\xa3ask" + b"\x91" * depth + b"\x00"


GARBAGE = [
    *(b"", b"x", b"\xff", b"[]", b"7", b'"now"', b"null", b"{", b"[" * 16_000),
    *(b"\x91" * 16_000, b'{"ask":NaN}', b"\xde\xff\xff", b"\x81"),
    b'{"ask":' + b"[" * 900 + b"]" * 900 + b"}",
    b'{"ask":"now","id":' + b"9" * 10_000 + b"}",
]


@pytest.mark.parametrize("question", GARBAGE)
def test_garbage_is_answered(question: bytes) -> None:
    answer = replies_of(FakeView()).answer(question, FakeWatch())
    assert answer.error in ("not_understood", "unknown")
    assert len(answer.data) < 1_000
