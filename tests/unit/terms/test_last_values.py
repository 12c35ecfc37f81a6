"""LastValues: what may be kept, as users say it."""

from __future__ import annotations

import pickle
from dataclasses import asdict

import pytest

from fanout import ConfigError, LastValues, Options
from fanout.shm.value_layout import PLACE_BITS
from fanout.terms.last_values import TOPICS_MAX, as_last_values


def test_topics_are_one_prefix_or_several_as_text_or_bytes() -> None:
    assert LastValues().topics == (b"",)
    assert LastValues("price.").topics == (b"price.",)
    assert LastValues(topics=[b"a", "b"]).topics == (b"a", b"b")


def test_bytes_may_be_text() -> None:
    assert LastValues(max_bytes="64M").max_bytes == 64 << 20


def test_every_topic_has_a_place() -> None:
    assert TOPICS_MAX < 1 << PLACE_BITS


def test_it_comes_back_from_its_plain_form() -> None:
    kept = LastValues(topics=["a"], max_topics=9, max_bytes=1 << 20, max_age=2.5)
    options = Options(last_values=kept)

    assert Options(**asdict(options)) == options
    assert as_last_values("x", {**asdict(kept), "topics": [b"a"]}) == kept
    assert pickle.loads(pickle.dumps(options)) == options
    assert options.value_topics == (b"a",)
    assert options.value_table.places == 10
    assert Options().value_table.size == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"max_topics": 0}, "max_topics=0. is out of range 1 to 262,144"),
        ({"max_topics": "9"}, "max_topics=….* must be a whole number"),
        ({"max_bytes": 10}, "max_bytes=10. is out of range"),
        ({"max_bytes": "many"}, "max_bytes=….* must be a whole number"),
        ({"max_age": -1}, "max_age=….* must be seconds"),
        ({"max_age": "1"}, "max_age=….* must be seconds"),
        ({"topics": []}, "0 prefixes"),
    ],
)
def test_what_cannot_be_is_refused(arguments: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        LastValues(**arguments)  # type: ignore[arg-type]


def test_a_field_that_is_not_there_is_named() -> None:
    with pytest.raises(TypeError, match="max_topics"):
        LastValues(max_topic=3)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="last_values must be a LastValues"):
        Options(last_values=True)  # type: ignore[arg-type]


def test_a_plain_form_is_taken_and_its_mistakes_name_the_option() -> None:
    assert as_last_values("last_values", {}) == LastValues()
    assert as_last_values("last_values", {"max_topics": 3}) == LastValues(max_topics=3)
    with pytest.raises(ConfigError, match=r"last_values is no LastValues: .*mean 'max_topics'"):
        as_last_values("last_values", {"max_topic": 3})
    with pytest.raises(ConfigError, match="last_values is no LastValues"):
        as_last_values("last_values", {1: 3})
    with pytest.raises(ConfigError, match=r"LastValues.topics=….* must be str"):
        as_last_values("last_values", {"topics": 5})
