"""What holds for an endpoint of any transport."""

from __future__ import annotations

import errno
import os
import resource
from typing import TYPE_CHECKING

import pytest

from fanout.errors import ConfigError
from fanout.transport.opening import open_listener
from tests.unit.transport.listening import (
    BACKLOG,
    bind_error,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "ipc://feed.sock", "ipc://*"])
def test_out_of_descriptors_leaves_nothing_behind(endpoint: str, directory: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        error = bind_error(endpoint)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert error.errno == errno.EMFILE
    assert "raise the limit (`ulimit -n`)" in str(error)
    assert list(directory.iterdir()) == []


def test_no_endpoint_at_all() -> None:
    with pytest.raises(ConfigError):
        open_listener("inproc://feed", BACKLOG)
