"""The last descriptors are left to the program."""

from __future__ import annotations

import errno
import os
import resource
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.transport.reserve import KEPT_DESCRIPTORS, allowed_descriptors, leave_reserve


def is_refused(descriptor: int, allowed: int) -> bool:
    try:
        leave_reserve(descriptor, allowed)
    except OSError as error:
        return error.errno == errno.EMFILE and "kept for the program" in str(error)
    return False


@given(st.integers(8, 1 << 20))
def test_some_are_kept_and_never_more_than_an_eighth(allowed: int) -> None:
    kept = sum(is_refused(one, allowed) for one in range(max(0, allowed - 200), allowed))
    assert 1 <= kept <= allowed / 8
    assert kept <= KEPT_DESCRIPTORS
    assert not is_refused(allowed - kept - 1, allowed)


def test_of_a_usual_limit_as_many_as_are_documented() -> None:
    assert not is_refused(1_024 - 128 - 1, 1_024)
    assert is_refused(1_024 - 128, 1_024)


def test_the_limit_is_that_of_the_process() -> None:
    assert allowed_descriptors() == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


@pytest.mark.parametrize(
    "limit",
    [
        mock.Mock(return_value=(resource.RLIM_INFINITY, resource.RLIM_INFINITY)),
        mock.Mock(side_effect=OSError(errno.EPERM, os.strerror(errno.EPERM))),
    ],
    ids=["no limit", "nobody says it"],
)
def test_without_a_limit_none_is_refused(limit: mock.Mock) -> None:
    with mock.patch.object(resource, "getrlimit", limit):
        allowed = allowed_descriptors()
    assert not is_refused(1 << 30, allowed)
