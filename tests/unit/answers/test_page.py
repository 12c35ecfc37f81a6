"""How much fits into an answer."""

from __future__ import annotations

import json

import pytest

from fanout.answers.languages import JSON, MSGPACK, Language
from fanout.answers.page import ROOM_BYTES, Page
from fanout.answers.view import Told

LANGUAGES = pytest.mark.parametrize("language", [JSON, MSGPACK])


@LANGUAGES
def test_as_many_as_are_wanted(language: Language) -> None:
    page = Page(language, 2)
    assert [page.add(n) for n in range(3)] == [True, True, False]
    assert len(page.entries) == 2


@LANGUAGES
def test_as_much_as_fits(language: Language) -> None:
    page = Page(language, 10_000)
    half = "x" * (ROOM_BYTES // 2 - 20)
    assert [page.add(half) for _ in range(3)] == [True, True, False]
    assert page.add(7), "a smaller one does"
    assert len(language.whole({}, "list", page.entries)) < ROOM_BYTES + 100


@LANGUAGES
def test_what_fits_into_none_is_replaced(language: Language) -> None:
    page = Page(language, 10_000)
    assert page.add("first")
    assert page.add_message(Told(3, b"t", (b"t", b"\x80" * (ROOM_BYTES - 20)), 7), age=1.5)
    assert page.add_message(Told(4, b"t", None, 70))
    assert page.add_message(Told(5, b"t", (b"t", b"1"), 7))
    assert (
        language.entry({"sequence": 4, "topic": b"t", "frames": None, "bytes": 70}) in page.entries
    )
    assert len(page.entries) == 4


def test_what_would_fit_into_the_next_one_is_not() -> None:
    page = Page(JSON, 10_000)
    assert page.add("x" * (ROOM_BYTES // 2))
    told = Told(3, b"t", (b"t", b"x" * (ROOM_BYTES // 2)), ROOM_BYTES // 2 + 10)
    assert not page.add_message(told)
    assert Page(JSON, 1).add_message(told)
    assert json.loads(page.entries[0])
