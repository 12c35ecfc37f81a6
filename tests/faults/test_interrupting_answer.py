"""`answer()` and `stop_answer()`, interrupted at every line: somebody answers there, or nobody."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from fanout import ConfigError, Publisher
from fanout.sockets import Req
from fanout.transport.opening import open_listener
from tests.faults.subject import every_step, raiser
from tests.faults.test_interrupting_sockets import interrupted
from tests.helpers.interrupting import Steps, untraced
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def publisher() -> Iterator[Publisher]:
    with untraced(), Publisher(workers=1, log_bytes=1 << 20) as one:
        one.stop_answer(one.answer("ipc://*"))  # what is loaded is loaded now
        yield one


def is_answered(endpoint: str) -> None:
    with untraced(), Req() as one:
        one.connect(endpoint)
        one.send(b'{"ask":"now"}', DEADLINE_S)
        assert b"epoch" in one.recv(DEADLINE_S)[0]


def is_free(endpoint: str) -> None:
    """Nobody listens there, and no thread is left."""
    wait_until(lambda: "fanout-answer" not in {one.name for one in threading.enumerate()}, "ended")
    open_listener(endpoint, 1).close()


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_answer_that_is_interrupted_is_done_or_not(
    publisher: Publisher, tmp_path: Path, error: type[BaseException]
) -> None:
    endpoint = f"ipc://{tmp_path}/socket"

    def run(number: int) -> Steps:
        steps = Steps(number, raiser(error))
        cut = interrupted(steps, lambda: publisher.answer(endpoint))
        assert cut or publisher.answer_endpoints == (endpoint,)
        if publisher.answer_endpoints:
            is_answered(endpoint)
            publisher.stop_answer(endpoint)
        is_free(endpoint)
        return steps

    every_step(run)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_a_stop_that_is_interrupted_is_done_or_can_be_done_again(
    publisher: Publisher, tmp_path: Path, error: type[BaseException]
) -> None:
    endpoint = f"ipc://{tmp_path}/socket"

    def run(number: int) -> Steps:
        with untraced():
            publisher.answer(endpoint)
        steps = Steps(number, raiser(error))
        interrupted(steps, lambda: publisher.stop_answer(endpoint))
        with suppress(ConfigError):  # it is done meanwhile
            publisher.stop_answer(endpoint)
        is_free(endpoint)
        return steps

    every_step(run)
