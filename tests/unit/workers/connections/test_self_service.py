"""What is reported of what subscribers say of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.control.messages import Chose, Declined
from fanout.terms.reserved import RESERVED
from fanout.workers.connections.self_service import SelfService
from fanout.zmtp import ReservedSubscription

if TYPE_CHECKING:
    from collections.abc import Iterator


class Outlet:
    def __init__(self) -> None:
        self.posted: list[Chose | Declined] = []

    def post(self, message: Chose | Declined) -> None:
        self.posted.append(message)


def says(*texts: bytes, wanted: bool = True) -> Iterator[ReservedSubscription]:
    return (ReservedSubscription(RESERVED + text, wanted) for text in texts)


def test_what_it_says_at_once_is_one_report_with_all_that_it_says() -> None:
    outlet = Outlet()
    service = SelfService(outlet, allowed=True, may_block=False)

    assert service.take(7, says(b"name=desk7", b"policy=conflate")) == (1, 0)
    assert service.take(7, says(b"limit_age=2")) == (1, 0)
    assert service.take(7, says(b"name=desk7", wanted=False)) == (1, 0)
    conflating: dict[str, int | float | str | bool] = {"action": "conflate"}
    assert outlet.posted == [
        Chose(7, "desk7", conflating),
        Chose(7, "desk7", {**conflating, "limit_age": 2.0}),
        Chose(7, "", {**conflating, "limit_age": 2.0}),
    ]


def test_what_changes_nothing_is_not_reported() -> None:
    outlet = Outlet()
    service = SelfService(outlet, allowed=True, may_block=False)
    service.take(7, says(b"name=desk7"))

    assert service.take(7, says(b"name=desk7")) == (0, 0)
    assert service.take(7, says(b"name=other", wanted=False)) == (0, 0)
    assert service.take(8, says(b"name=desk7", wanted=False)) == (0, 0)
    assert len(outlet.posted) == 1


def test_what_cannot_be_is_declined_and_changes_nothing() -> None:
    outlet = Outlet()
    service = SelfService(outlet, allowed=True, may_block=False)

    assert service.take(7, says(b"policy=block", b"nonsense", b"name=x")) == (3, 0)
    assert [type(message) for message in outlet.posted] == [Declined, Declined, Chose]
    assert outlet.posted[-1] == Chose(7, "x", {})


def test_where_nobody_chooses_for_itself_it_is_told_once() -> None:
    outlet = Outlet()
    service = SelfService(outlet, allowed=False, may_block=True)

    assert service.take(7, says(b"name=x", b"limit_age=1")) == (1, 0)
    assert service.take(7, says(b"policy=block")) == (0, 0)
    (declined,) = outlet.posted
    assert isinstance(declined, Declined)
    assert "self_service=False" in declined.reason
    service.forget(7)
    assert service.take(7, says(b"name=x")) == (1, 0)  # another connection


def test_who_is_gone_is_forgotten() -> None:
    outlet = Outlet()
    service = SelfService(outlet, allowed=True, may_block=False)
    service.take(7, says(b"name=desk7"))
    service.forget(7)
    service.forget(7)

    assert service.take(7, says(b"name=desk7")) == (1, 0)


def test_who_wants_to_be_told_of_gaps_is_wherever_that_is() -> None:
    for allowed in (True, False):
        outlet = Outlet()
        service = SelfService(outlet, allowed=allowed, may_block=False)
        assert service.take(7, says(b"gap")) == (0, 1)
        assert service.take(7, says(b"gap=all")) == (0, 2)
        assert service.take(7, says(b"gap", wanted=False)) == (0, 2)
        assert service.take(7, says(b"gap=all", wanted=False)) == (0, 0)
        assert outlet.posted == []


def test_that_it_has_taken_all_back_is_told_if_that_may_not_have_been() -> None:
    for chose, posted in ((True, [Chose(7, "", {})]), (False, [])):
        after = Outlet()
        SelfService(after, allowed=True, may_block=False).go_on(7, (), chose=chose)

        assert after.posted == posted


def test_what_it_cannot_have_is_not_told_of_again_by_the_worker_that_goes_on_with_it() -> None:
    outlet = Outlet()
    service = SelfService(outlet, allowed=True, may_block=False)
    service.take(7, says(b"nonsense", b"name=x"))
    said = service.said(7)

    after = Outlet()
    service = SelfService(after, allowed=True, may_block=False)
    service.go_on(7, said)
    assert after.posted == [Chose(7, "x", {})]
    assert service.said(7) == said
    assert service.take(7, says(b"nonsense")) == (0, 0)
