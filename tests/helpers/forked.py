"""A forked child that has a publisher of its parent's."""

from __future__ import annotations

import contextlib
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from fanout import ForkedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fanout import Publisher


@contextmanager
def refused_in_child(publisher: Publisher, *calls: Callable[[], object]) -> Iterator[None]:
    """A child in which these were refused, and that has closed the publisher; killed at the end."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        with contextlib.suppress(BaseException):
            for call in calls:
                with pytest.raises(ForkedError):
                    call()
            publisher.close()
            status = 0
        os.write(writer, bytes((status,)))
        signal.pause()
    try:
        assert os.read(reader, 1) == b"\0"
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reader)
        os.close(writer)
