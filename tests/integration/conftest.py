"""What the tests of a running publisher share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fanout import Publisher
from tests.helpers.loaded_children import loaded_children
from tests.helpers.modest import modest_publishers
from tests.helpers.nursery import loaded_workers
from tests.helpers.programs import descendants
from tests.helpers.stock import Stock
from tests.helpers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.register_assert_rewrite("tests.helpers.cancelling")  # so that failures say what was there


@pytest.fixture(scope="package", autouse=True)
def nursery() -> Iterator[None]:
    """Workers have nothing to load when they start, and publishers no memory to spare."""
    with loaded_workers(), modest_publishers():
        yield


@pytest.fixture(scope="package")
def children() -> Iterator[None]:
    """Those of a soak have nothing to load when they start."""
    with loaded_children():
        yield


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """No test leaves a process."""
    before = descendants()
    yield
    wait_until(lambda: descendants() <= before, "all workers have ended")


@pytest.fixture
def stock() -> Iterator[Stock]:
    """Stock sockets of libzmq."""
    stock = Stock()
    yield stock
    stock.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[Publisher]:
    """One for the tests of a file that do not mind what others have published and bound before."""
    with Publisher("tcp://127.0.0.1:*", workers=2, log_bytes=1 << 22) as publisher:
        yield publisher


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    """A small publisher on a free port."""
    with Publisher("tcp://127.0.0.1:*", workers=2, log_bytes=1 << 22) as publisher:
        yield publisher
