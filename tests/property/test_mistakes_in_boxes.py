"""Mistakes in encryption, made on purpose: each is shown by a test that passes without it.

Those of what is handed over from one worker to another are among the mistakes of the simulation.
"""

from __future__ import annotations

import hmac
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from fanout.workers.connections.sealed import SealedSend
from fanout.zmtp.boxes import Counting
from fanout.zmtp.curve import COOKIE_BYTES
from tests.helpers.boxes import NoBoxes
from tests.helpers.replacing import replacing
from tests.unit.workers.connections import test_sealed as sealed
from tests.unit.zmtp import test_curve as handshakes
from tests.unit.zmtp import test_opener as openers

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.helpers.replacing import Mutation

MISTAKES: dict[str, Mutation] = {}
VOUCHED = handshakes.TRANSIENT.public + handshakes.SERVER.public
replaces = replacing(MISTAKES)


@replaces(SealedSend, "_next")
def rewind_the_counter_with_what_is_thrown_away(
    original: Any, self: SealedSend, rest: memoryview
) -> Any:
    waiting = self._waiting
    if waiting is not None and bytes(rest[: len(waiting.plain)]) != waiting.plain:
        self._sealer._count -= len(waiting.ends()[0])
    return original(self, rest)


@replaces(SealedSend, "_next")
def seal_again_what_a_full_socket_did_not_take(
    original: Any, self: SealedSend, rest: memoryview
) -> Any:
    waiting, self._waiting = self._waiting, None
    if waiting is not None:
        self._sealer._count -= len(waiting.ends()[0])
    return original(self, rest)


@replaces(SealedSend, "__call__")
def say_that_there_is_no_more(original: Any, self: SealedSend, data: bytes) -> int:
    try:
        return int(original(self, data))
    finally:
        self.more = False


@replaces(SealedSend, "_report")
def report_the_last_byte_before_its_box_is_out(
    original: Any, self: SealedSend, taken: int, there: int
) -> int:
    self._owed += 1
    done = int(original(self, taken, there))
    self._owed -= 1
    return done


@replaces(hmac, "compare_digest")
def believe_any_vouch(original: Any, one: bytes, other: bytes) -> bool:
    return len(one) == len(VOUCHED) or bool(original(one, other))


@replaces(hmac, "compare_digest")
def take_any_cookie(original: Any, one: bytes, other: bytes) -> bool:
    return len(one) == COOKIE_BYTES or bool(original(one, other))


@replaces(Counting, "next")
def take_a_counter_that_is_not_higher(
    original: Any, self: Counting, short: bytes, where: str
) -> None:
    if int.from_bytes(short, "big") != self.last:
        original(self, short, where)


CHECKS: dict[str, Callable[[], None]] = {
    "believe_any_vouch": (
        handshakes.test_a_vouch_is_for_this_connection_and_this_server_by_this_client
    ),
    "report_the_last_byte_before_its_box_is_out": (
        sealed.test_the_last_byte_of_a_frame_waits_for_its_box
    ),
    "rewind_the_counter_with_what_is_thrown_away": partial(
        sealed.test_what_waits_is_thrown_away_if_something_else_comes, 0
    ),
    "say_that_there_is_no_more": sealed.test_a_turn_has_an_end_and_says_that_there_is_more,
    "seal_again_what_a_full_socket_did_not_take": (
        sealed.test_what_a_full_socket_does_not_begin_waits_and_is_sealed_once
    ),
    "take_a_counter_that_is_not_higher": openers.test_a_frame_again_or_out_of_order,
    "take_any_cookie": handshakes.test_cookie_and_counter_of_an_initiate,
}


@pytest.mark.parametrize("in_stretches", [False, True], ids=["one by one", "in stretches"])
@pytest.mark.parametrize("name", MISTAKES)
def test_it_is_shown(name: str, in_stretches: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NoBoxes, "IN_STRETCHES", in_stretches)
    check = CHECKS[name]
    check()  # what fails without the mistake shows nothing
    owner, attribute, broken = MISTAKES[name]

    with (
        mock.patch.object(owner, attribute, broken),
        pytest.raises((AssertionError, pytest.fail.Exception)),
    ):
        check()
