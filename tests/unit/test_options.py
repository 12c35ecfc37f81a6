"""Options: each field knows what it may be, and says so."""

from __future__ import annotations

import pickle
from dataclasses import Field, asdict, fields
from typing import TYPE_CHECKING

import pytest

import fanout.asyncio
from fanout import Publisher
from fanout.errors import ConfigError
from fanout.options import Options, make_options

if TYPE_CHECKING:  # each ignored error is one that type checkers must find, or mypy complains
    Publisher(options=Options(workers=1), log_bytes="64M", send_timeout=1)
    Publisher(wrkers=2)  # type: ignore[call-arg]
    Publisher(workers="2")  # type: ignore[arg-type]
    Publisher(slow_policy="drop")  # type: ignore[arg-type]
    fanout.asyncio.Publisher(log_bytes="64M")
    fanout.asyncio.Publisher(wrkers=2)  # type: ignore[call-arg]
    fanout.asyncio.Publisher.start(wrkers=2)  # type: ignore[call-arg, unused-coroutine]


def test_every_default_is_allowed_and_every_field_is_checked() -> None:
    options = Options()

    assert Options(**asdict(options)) == options
    for option in fields(options):
        # There None is half of the log, or nothing.
        wrong = None if option.name not in ("replay_bytes", "last_values") else ()
        with pytest.raises(ConfigError, match=option.name):
            make_options({option.name: wrong})


def test_half_of_the_log_can_be_replayed_and_no_more() -> None:
    mib = 1024 * 1024
    assert Options(log_bytes=mib).replay_limit == mib // 2
    assert make_options({"log_bytes": "1M", "replay_bytes": "512K"}).replay_limit == mib // 2
    assert Options(replay_bytes=0).replay_limit == 0
    with pytest.raises(ConfigError, match="replay_bytes=524,289 is more than half of log_bytes"):
        Options(log_bytes=mib, replay_bytes=mib // 2 + 1)


def test_an_option_that_is_not_there() -> None:
    with pytest.raises(TypeError, match="no option 'send_timout'; did you mean 'send_timeout'"):
        Options(send_timout=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="no option 'hwm': a subscriber's limit is slow_limit"):
        Options(hwm=3)  # type: ignore[call-arg]
    assert pickle.loads(pickle.dumps(Options(workers=3))) == Options(workers=3)


RANGED = [option for option in fields(Options) if "range" in option.metadata]


@pytest.mark.parametrize("option", RANGED, ids=lambda option: option.name)
def test_the_ends_of_a_range_are_allowed_and_what_lies_beyond_is_not(option: Field[float]) -> None:
    name, (low, high) = option.name, option.metadata["range"]
    is_half = name in ("slow_limit_bytes", "replay_bytes")  # of another option
    beside = {"log_bytes": 1 << 36} if is_half else {}
    top = high // 2 if is_half else high

    assert getattr(make_options({name: low, **beside}), name) == low
    assert getattr(make_options({name: top, **beside}), name) == top
    for value in (low - 1, high + 1):
        with pytest.raises(ConfigError, match=f"{name}=.* is out of range"):
            make_options({name: value, **beside})


LONG = [10**5_000, -(10**4_000), "x" * 10_000, b"x" * 10_000, [0] * 9_999]


@pytest.mark.parametrize("value", LONG, ids=["digits", "negative", "text", "bytes", "list"])
@pytest.mark.parametrize("name", ["workers", "log_bytes", "send_timeout", "slow_policy", "name"])
def test_a_value_as_long_as_it_likes_is_refused_in_one_sentence(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"^{name}") as caught:
        make_options({name: value})
    assert len(str(caught.value)) < 300


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


SIZED = [option.name for option in fields(Options) if option.name.endswith("_bytes")]


@pytest.mark.parametrize("name", SIZED)
def test_a_size_may_be_text(name: str) -> None:
    for text, value in (
        ("64K", 65_536),
        ("64 KiB", 65_536),
        ("0.0625 mb", 65_536),
        (" 65536 ", 65_536),
    ):
        assert getattr(make_options({name: text}), name) == value
    for text in ("64X", "", "-1K", "1.3", "64 M B", "1e6", "\N{ARABIC-INDIC DIGIT SIX}4K"):
        with pytest.raises(
            ConfigError, match=f"{name} must be a .* size such as '64M' or '1 GiB', not"
        ):
            make_options({name: text})
    with pytest.raises(ConfigError, match=f"{name}=.* is out of range"):
        make_options({name: "4096 T"})


def test_only_sizes_may_be_text() -> None:
    with pytest.raises(ConfigError, match="workers must be a whole number, not '2'"):
        make_options({"workers": "2"})


def test_options_together_and_one_by_one() -> None:
    base = Options(workers=1, log_bytes=1 << 20)
    assert make_options({}, base) == base
    assert make_options({"workers": 2}, base) == Options(workers=2, log_bytes=1 << 20)
    with pytest.raises(TypeError, match=r"options must be fanout.Options, not dict"):
        Publisher(options={"workers": 1})  # type: ignore[arg-type]
    with Publisher(options=base, name="prices") as publisher:
        assert publisher.options == Options(workers=1, log_bytes=1 << 20, name="prices")
