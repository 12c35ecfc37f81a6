"""Reserved subscriptions of any bytes, in any order: a naive reading of them says the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fanout.control.messages import Chose, decode, encode, pack
from fanout.coordinator.choosing import chosen_on
from fanout.terms.reserved import NAME_BYTES_MAX, RESERVED, RESERVED_MAX
from fanout.terms.slow_policy import SlowPolicy
from fanout.workers.connections.reserved import (
    Reserved,
    UnknownError,
    Wishes,
    understood,
)
from tests.helpers.texts import ANY

# What says nothing of a policy: what it is told, and what it is sent at first.
OF_THE_STREAM = ("gap", "gap=all", "since", "since, told", "snapshot", "values", "denied")
KEYS = ("policy", "name", "limit_bytes", "limit_messages", "limit_age", "min_interval", "max_rate")
VALUES = st.one_of(
    st.sampled_from(("conflate", "block", "drop_newest", "0", "1", "2.5", "1e9", "9" * 20)),
    st.text(ANY, max_size=70),
)
TEXTS = st.one_of(
    st.builds("{}={}".format, st.sampled_from(KEYS), VALUES).map(
        lambda text: text.encode("utf-8", "surrogatepass")
    ),
    st.sampled_from(
        (
            b"gap",
            b"gap=all",
            b"values=off",
            b"values=all",
            b"snapshot",
            b"denied",
            b"since",
            b"since=-10s",
        )
    ),
    st.binary(max_size=80),
)
PREFIXES = TEXTS.map(RESERVED.__add__)


@given(PREFIXES)
def test_anything_is_either_understood_or_refused_in_words(prefix: bytes) -> None:
    try:
        key, value = understood(prefix)
    except UnknownError as error:
        assert 0 < len(str(error)) < 400  # noqa: PT017 - it may also be understood
        return
    if key == "name":
        assert value.isprintable()
        assert 0 < len(value.encode()) <= NAME_BYTES_MAX
    elif key not in OF_THE_STREAM:
        SlowPolicy(**{"action": "conflate", key: value})


@given(st.lists(st.tuples(st.booleans(), PREFIXES), max_size=40), st.booleans())
def test_what_counts_is_the_last_of_each_key_that_was_not_taken_back(
    changes: list[tuple[bool, bytes]], may_block: bool
) -> None:
    reserved = Reserved(may_block=may_block)
    order: list[bytes] = []
    for wanted, prefix in changes:
        if wanted:
            reserved.add(prefix)
        else:
            reserved.cancel(prefix)
        order = [one for one in order if one != prefix]
        if wanted and len(order) < RESERVED_MAX:
            order.append(prefix)

    settings = {}
    for prefix in order:
        try:
            key, value = understood(prefix)
        except UnknownError:
            continue
        if (key, value) != ("action", "block") or may_block:
            settings[key] = value
    name = settings.pop("name", "")
    gaps = max(settings.pop("gap", 0), settings.pop("gap=all", 0))
    since, ends = settings.pop("since", None), settings.pop("since, told", False)
    marks, which = settings.pop("snapshot", False), settings.pop("values", "some")
    denied, of_values = settings.pop("denied", False), (which != "off", which == "all")
    wishes = reserved.wishes
    assert wishes == Wishes(name, settings, gaps, since, ends, marks, *of_values, denied)

    report = Chose(1, wishes.name, wishes.settings)
    assert decode(pack([encode(report)])) == [report]
    most = SlowPolicy("block" if may_block else "drop_oldest", 1 << 20, 1_000, 5.0, max_rate=9)
    chosen = chosen_on(SlowPolicy("disconnect"), settings, most)
    for bound in ("limit_bytes", "limit_messages", "limit_age", "max_rate"):
        assert getattr(chosen, bound) <= getattr(most, bound)
    assert may_block or chosen.action != "block"
