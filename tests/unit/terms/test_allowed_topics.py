"""Which topics strangers may name, as users say it."""

from __future__ import annotations

from typing import Any

import pytest

from fanout.errors import ConfigError
from fanout.terms.allowed_topics import allowed_prefixes


@pytest.mark.parametrize(
    ("allowed", "prefixes"),
    [
        (None, None),
        ("a", (b"a",)),
        ("grüner", ("grüner".encode(),)),
        (b"a", (b"a",)),
        (bytearray(b"a"), (b"a",)),
        (memoryview(b"a"), (b"a",)),
        ("", (b"",)),
        (["a", b"b"], (b"a", b"b")),
        (iter(["a"]), (b"a",)),
    ],
)
def test_one_prefix_or_several(allowed: Any, prefixes: tuple[bytes, ...] | None) -> None:
    assert allowed_prefixes(allowed, "nobody could say anything") == prefixes


def test_none_at_all_is_a_mistake_that_says_what_it_would_mean() -> None:
    with pytest.raises(ConfigError, match="allowed_topics is empty: nobody could say anything"):
        allowed_prefixes([], "nobody could say anything")


@pytest.mark.parametrize("wrong", [7, 1.5, [7], [None]])
def test_what_is_no_prefix_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="allowed_topics"):
        allowed_prefixes(wrong, "")
