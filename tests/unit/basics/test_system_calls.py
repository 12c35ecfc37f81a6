"""What is said of a system call that is refused, and which errors are something else."""

from __future__ import annotations

import errno
import os

import pytest

from fanout.basics.exits import Exit
from fanout.basics.system_calls import (
    RefusedError,
    dispensable,
    explain,
    explain_unwatched,
    is_exhausted,
    needed,
)
from fanout.workers.main import _exit_for


def error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES, errno.ENOSYS])
def test_one_that_is_needed_is_named_with_what_it_is_for(number: int) -> None:
    with pytest.raises(RefusedError) as caught, needed("memfd_create", "makes the memory"):
        raise error(number)

    assert caught.value.errno == number
    assert explain(caught.value) == (
        f"the system refuses the call memfd_create ({os.strerror(number)}), which makes the "
        f"memory: allow it in the profile of the sandbox or container (seccomp)"
    )
    assert _exit_for(caught.value, Exit.BUG) is Exit.REFUSED


def test_the_innermost_name_stays() -> None:
    with (
        pytest.raises(RefusedError, match="the call eventfd2"),
        needed("clone", "starts workers"),
        needed("eventfd2", "wakes"),
    ):
        raise error(errno.EPERM)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.EBADF])
def test_other_errors_are_what_they_are(number: int) -> None:
    for block in (needed("memfd_create", "makes the memory"), dispensable()):
        with pytest.raises(OSError, match=os.strerror(number)) as caught, block:
            raise error(number)
        assert not isinstance(caught.value, RefusedError)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES, errno.ENOSYS])
def test_one_that_is_dispensable_is_done_without(number: int) -> None:
    with dispensable():
        raise error(number)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.EMFILE, "raise the limit (`ulimit -n`)"),
        (errno.ENFILE, "raise fs.file-max"),
        (errno.ENOMEM, os.strerror(errno.ENOMEM)),
    ],
)
def test_what_to_do_is_said_where_something_can_be_done(number: int, text: str) -> None:
    assert explain(error(number)).endswith(text)
    assert explain_unwatched(error(number)) == explain(error(number))


def test_what_no_space_means_for_who_is_to_be_watched_is_said() -> None:
    """It is the number of watches that is used up, and no device."""
    full = error(errno.ENOSPC)
    assert explain_unwatched(full).endswith("raise fs.epoll.max_user_watches")
    assert explain(full) == os.strerror(errno.ENOSPC)
    assert is_exhausted(full)
    assert _exit_for(full, Exit.BUG) is Exit.MEMORY
