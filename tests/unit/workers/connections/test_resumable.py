"""By what somebody goes on: what it wanted until when; and whether it is worth asking again."""

from __future__ import annotations

import errno
import os

import pytest

from fanout.control.takeover import Wants
from fanout.workers.connections.resumable import NotNowError, history, loading, refused_by


def test_what_it_wanted_is_known_up_to_each_change() -> None:
    changes = [
        Wants(7, 0, [b"A", b"B"], []),
        Wants(7, 5, [b"C"], [b"A"]),
        Wants(7, 5, [b"D"], []),
        Wants(7, 9, [], [b"B"]),
    ]

    past, wants = history(changes)

    assert past == [(5, frozenset({b"A", b"B"})), (9, frozenset({b"B", b"C", b"D"}))]
    assert wants == {b"C", b"D"}


@pytest.mark.parametrize(
    ("number", "is_worth_it"),
    [
        (errno.ENOMEM, True),
        (errno.EMFILE, True),
        (errno.ENOSPC, True),
        (errno.ENOTCONN, False),
    ],
)
def test_what_the_system_has_none_of_now_it_may_have_later(
    number: int, *, is_worth_it: bool
) -> None:
    refused = refused_by(OSError(number, os.strerror(number)))

    assert refused.may_pass == is_worth_it
    assert ("broken" in str(refused)) != is_worth_it


@pytest.mark.parametrize(
    "error", [ImportError("libsodium"), OSError(errno.EMFILE, "Too many open files")]
)
def test_what_cannot_be_loaded_now_may_be_elsewhere_or_later(error: Exception) -> None:
    with (
        pytest.raises(NotNowError, match=r"its worker got nothing .*(sodium|open files)"),
        loading(),
    ):
        raise error
