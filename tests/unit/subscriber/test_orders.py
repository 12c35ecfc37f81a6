"""Orders are carried out in turn, some at a time, and no more may wait than are counted for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

import fanout
from fanout.errors import ConfigError
from fanout.sockets import Sub
from fanout.sockets.threads import ThreadActor
from fanout.subscriber import orders as rules
from fanout.subscriber.orders import Orders

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECONDS = 30


def made() -> Orders[Callable[[], object]]:
    return Orders()


def test_they_are_carried_out_in_order_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "AT_ONCE", 3)
    orders, done = made(), list[int]()
    for number in range(7):
        orders.add(lambda number=number: done.append(number))  # type: ignore[misc]
    assert [orders.carry_out() for _ in range(3)] == [True, True, False]
    assert done == [*range(7)]


def test_one_that_is_given_meanwhile_is_for_the_next_time() -> None:
    orders = made()
    orders.add(lambda: orders.add(lambda: None))
    assert orders.carry_out()
    assert not orders.carry_out()


def test_too_many_are_refused_but_for_those_of_which_there_are_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules, "ORDERS_MAX", 2)
    orders = made()
    orders.add(lambda: None)
    orders.add(lambda: None)
    with pytest.raises(ConfigError, match="held up by a callback"):
        orders.add(lambda: None)
    orders.put(lambda: None)
    assert len(orders) == 3


def test_a_callback_that_holds_up_a_subscriber_does_not_have_its_orders_take_all_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_held, may_go_on = threading.Event(), threading.Event()

    def hold(_event: object) -> None:
        is_held.set()
        may_go_on.wait(SECONDS)

    with fanout.Subscriber(f"ipc://{tmp_path}/nobody", b"a", on_event=hold) as subscriber:
        try:
            assert is_held.wait(SECONDS)
            monkeypatch.setattr(rules, "ORDERS_MAX", 5)
            for _ in range(5):
                subscriber.unsubscribe(b"b")
            with pytest.raises(ConfigError):
                subscriber.unsubscribe(b"b")
        finally:
            may_go_on.set()


def test_a_socket_of_threads_refuses_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    is_held, may_go_on = threading.Event(), threading.Event()

    def hold(_self: object) -> None:
        is_held.set()
        may_go_on.wait(SECONDS)

    monkeypatch.setattr(ThreadActor, "_tell", hold)
    with Sub() as sub:
        try:
            assert is_held.wait(SECONDS)
            monkeypatch.setattr(rules, "ORDERS_MAX", 5)
            for _ in range(5):
                sub.subscribe(b"b")
            with pytest.raises(ConfigError):
                sub.subscribe(b"b")
        finally:
            may_go_on.set()
            monkeypatch.undo()
