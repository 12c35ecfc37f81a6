"""Options: each field knows what it may be, and says so."""

from __future__ import annotations

from dataclasses import Field, asdict, fields

import pytest

from fanout.errors import ConfigError
from fanout.options import Options, make_options


def test_every_default_is_allowed_and_every_field_is_checked() -> None:
    options = Options()

    assert Options(**asdict(options)) == options
    for option in fields(options):
        with pytest.raises(ConfigError, match=option.name):
            make_options({option.name: None})


RANGED = [option for option in fields(Options) if "range" in option.metadata]


@pytest.mark.parametrize("option", RANGED, ids=lambda option: option.name)
def test_the_ends_of_a_range_are_allowed_and_what_lies_beyond_is_not(option: Field[float]) -> None:
    name, (low, high) = option.name, option.metadata["range"]
    beside = {"log_bytes": 1 << 36} if name == "slow_limit_bytes" else {}
    top = high // 2 if name == "slow_limit_bytes" else high  # half of another option

    assert getattr(make_options({name: low, **beside}), name) == low
    assert getattr(make_options({name: top, **beside}), name) == top
    for value in (low - 1, high + 1):
        with pytest.raises(ConfigError, match=f"{name}=.* is out of range"):
            make_options({name: value, **beside})


@pytest.mark.parametrize("value", [1, 0, "yes", None])
def test_a_flag_is_true_or_false_and_nothing_like_it(value: object) -> None:
    with pytest.raises(ConfigError, match="allow_zmtp_1 must be True or False, not"):
        make_options({"allow_zmtp_1": value})


@pytest.mark.parametrize("name", ["", "prices", "x" * 64, "\N{EURO SIGN}" * 21])
def test_a_name_of_64_bytes_is_allowed(name: str) -> None:
    assert Options(name=name).name == name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x" * 65, "name takes 65 bytes of UTF-8, 64 are allowed"),
        ("\N{EURO SIGN}" * 22, "name takes 66 bytes"),
        ("red\x1b[31m", "characters that cannot be shown"),
        ("\udc80", "characters that cannot be shown"),
        (b"prices", "name must be a str"),
    ],
)
def test_a_name_that_cannot_be_shown_or_stored_is_refused(name: object, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        make_options({"name": name})
