"""Control messages: there and back, and garbage is a ControlError and nothing else."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.control import messages as control
from fanout.control.messages import (
    INT_MAX,
    PACKET_BYTES_MAX,
    ControlError,
    Message,
    decode,
    encode,
    pack,
)
from fanout.control.splitting import split_subscriptions
from fanout.options import Options
from tests.helpers.texts import ANY

integers = st.integers(0, INT_MAX)
words = st.text(ANY, max_size=50)
prefixes = st.lists(st.binary(max_size=30), max_size=8)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(control.Hello, integers, integers, st.dictionaries(words, integers | words)),
    st.builds(control.Started, integers),
    st.builds(control.Adopt, integers, integers, words),
    st.builds(control.Connected, integers, words),
    st.builds(control.Subscriptions, integers, integers, prefixes, prefixes),
    st.builds(
        control.Closed, integers, st.booleans(), integers, words,
        integers, integers, integers, integers, integers,
    ),
    st.builds(control.Slow, integers, st.booleans(), integers, words),
    st.builds(control.WriteSlots, integers),
    st.builds(control.SlotsWritten, integers),
    st.builds(control.Finish, st.floats(0, 1e6)),
)  # fmt: skip
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | integers | st.floats() | words | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)


def packet_of(messages: list[Message]) -> bytes:
    return pack(list(map(encode, messages)))


@given(st.lists(messages, max_size=20))
def test_what_is_encoded_is_decoded(some: list[Message]) -> None:
    assert decode(packet_of(some)) == some


@given(st.binary(max_size=60))
def test_bytes_are_messages_or_a_control_error(packet: bytes) -> None:
    try:
        found = decode(packet)
    except ControlError:
        return
    assert packet_of(decode(packet_of(found))) == packet_of(found)


@given(values)
def test_values_that_are_no_packet_are_a_control_error(value: Any) -> None:
    try:
        found = decode(msgpack.packb(value, use_bin_type=True))
    except ControlError:
        return
    assert len(found) == len(value)


@given(st.integers(0, 12), st.lists(values, max_size=9))
def test_values_of_a_wrong_kind_are_a_control_error(code: int, fields: list[Any]) -> None:
    try:
        (message,) = decode(msgpack.packb([[code, *fields]], use_bin_type=True))
    except ControlError:
        return
    assert type(message).code == code
    again = decode(packet_of([message]))
    assert packet_of(again) == packet_of([message])  # equal to itself, NaN too


@given(st.lists(messages, min_size=1, max_size=4), st.data())
def test_a_packet_that_was_cut_is_a_control_error(some: list[Message], data: st.DataObject) -> None:
    packet = packet_of(some)
    cut = data.draw(st.integers(0, len(packet) - 1))
    with pytest.raises(ControlError):
        decode(packet[:cut])


@given(st.lists(st.binary(max_size=9_000), max_size=30, unique=True), st.integers(0, 30))
def test_reports_of_subscriptions_fit_and_say_all_of_it(prefixes: list[bytes], split: int) -> None:
    added, cancelled = prefixes[:split], prefixes[split:]
    reports = split_subscriptions(7, 99, added, cancelled)

    assert all(len(packet_of([report])) <= PACKET_BYTES_MAX for report in reports)
    assert [p for report in reports for p in report.added] == added
    assert [p for report in reports for p in report.cancelled] == cancelled
    assert {(report.subscriber, report.sequence) for report in reports} == {(7, 99)}
    said = [
        kind for report in reports for kind in [0] * len(report.cancelled) + [1] * len(report.added)
    ]
    assert said == sorted(said), "cancellations come first"


def test_a_report_holds_the_longest_subscription_that_can_be_allowed() -> None:
    (longest_allowed,) = (
        field.metadata["range"][1]
        for field in dataclasses.fields(Options)
        if field.name == "max_subscription_bytes"
    )
    longest = b"x" * longest_allowed

    (report,) = split_subscriptions(INT_MAX, INT_MAX, [longest], [])

    assert decode(packet_of([report])) == [report]


def test_more_than_a_packet_holds_is_a_bug_that_is_seen() -> None:
    with pytest.raises(ControlError, match="Connected"):
        encode(control.Connected(1, "3" * PACKET_BYTES_MAX))
