"""What is published by chance to workers in one process, so that a seed shows it again."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.helpers.taking_over import TakingOver


class Publishing:
    """Messages on some topics, each of which begins with its number.

    Attributes:
        rng: what chance there is.
        published: topic and payload of each.
    """

    def __init__(self, taking: TakingOver, seed: int, topics: Sequence[bytes]) -> None:
        self.taking = taking
        self.rng = random.Random(seed)
        self.published: list[tuple[bytes, bytes]] = []
        self._topics = topics

    def publish(self, count: int, largest: int = 3_000) -> None:
        """Up to so many messages, as far as there is room."""
        rng = self.rng
        for _ in range(count):
            number = len(self.published)
            size = rng.choice((0, 10, rng.randrange(largest)))
            message = rng.choice(self._topics), b"%d:" % number + rng.randbytes(size)
            if not self.taking.publish(*message):
                return
            self.published.append(message)
