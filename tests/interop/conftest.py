"""The same script against libzmq's PUB and against fanout, over tcp and over ipc."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.helpers.adapters import PUBLISHERS, PublishingSocket
from tests.helpers.command import loaded_commands
from tests.helpers.modest import modest_publishers
from tests.helpers.nursery import loaded_workers
from tests.helpers.stock import Stock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="package", autouse=True)
def nursery() -> Iterator[None]:
    """Workers have nothing to load when they start, and commands have not either."""
    with loaded_workers(), loaded_commands(), modest_publishers():
        yield


@pytest.fixture
def stock() -> Iterator[Stock]:
    """Stock sockets of libzmq."""
    stock = Stock()
    yield stock
    stock.close()


@pytest.fixture(params=list(PUBLISHERS))
def start(request: pytest.FixtureRequest) -> Iterator[Callable[..., PublishingSocket]]:
    """Starts publishers, which end with the test: of libzmq, and then of fanout.

    A file whose tests have one connection each says `WORKERS = 1`: the second would only start.
    """
    workers: int = getattr(request.module, "WORKERS", 2)
    started: list[PublishingSocket] = []

    def begin(heartbeat_ms: int = 0) -> PublishingSocket:
        started.append(PUBLISHERS[request.param](heartbeat_ms, workers))
        return started[-1]

    yield begin
    for publisher in started:
        publisher.close()


@pytest.fixture
def publisher(start: Callable[..., PublishingSocket]) -> PublishingSocket:
    """A publisher that is not bound."""
    return start()


@pytest.fixture(params=["tcp", "ipc"])
def unbound(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An endpoint to bind."""
    return "tcp://127.0.0.1:*" if request.param == "tcp" else f"ipc://{tmp_path}/feed.sock"


@pytest.fixture
def endpoint(publisher: PublishingSocket, unbound: str) -> str:
    """Where the publisher listens."""
    return publisher.bind(unbound)


@pytest.fixture(scope="module", params=list(PUBLISHERS))
def lasting_publisher(request: pytest.FixtureRequest) -> Iterator[PublishingSocket]:
    """One for the tests of a file that do not mind who has come and gone before.

    Each of them has connections of its own, and nobody is left of those of others.
    """
    workers: int = getattr(request.module, "WORKERS", 2)
    publisher = PUBLISHERS[request.param](0, workers)
    yield publisher
    publisher.close()


@pytest.fixture(scope="module", params=["tcp", "ipc"])
def lasting_endpoint(
    request: pytest.FixtureRequest,
    lasting_publisher: PublishingSocket,
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """Where it listens."""
    if request.param == "tcp":
        return lasting_publisher.bind("tcp://127.0.0.1:*")
    return lasting_publisher.bind(f"ipc://{tmp_path_factory.mktemp('feed')}/feed.sock")
