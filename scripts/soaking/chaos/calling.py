"""What a program asks of its publisher while workers are lost: it moves subscribers about."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from fanout.errors import ConfigError, NotMovedError

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from fanout import Publisher

MOVED_MAX = 20  # subscribers, one after the other
MORE = 1  # workers than there were at first


def calls_of(publisher: Publisher, rng: random.Random) -> dict[str, Callable[[], object]]:
    """By their names in `CALLS`; each waits for what it does, as long as that takes."""
    workers = publisher.options.worker_count

    def move() -> None:
        """Some of them, to any worker."""
        count = len(publisher.statistics().workers)
        everybody = publisher.subscribers()
        for one in rng.sample(everybody, min(len(everybody), rng.randint(1, MOVED_MAX))):
            # It may be in the middle of a command, or its worker is lost, or is one too many now.
            with contextlib.suppress(NotMovedError, ConfigError, TimeoutError):
                publisher.move(one.id, rng.randrange(count))

    return {
        "move": move,
        "restart": publisher.restart_workers,
        "resize": lambda: publisher.resize(rng.randint(1, workers + MORE)),
    }
