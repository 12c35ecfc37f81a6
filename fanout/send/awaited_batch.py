"""A batch that is committed by an `async with` block: that may have to wait for room."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Self

from fanout.send.attempt import NO_SPACE
from fanout.send.batch import Messages

if TYPE_CHECKING:
    from types import TracebackType


class Batch(Messages):
    """Messages that are published together when the `async with` block ends, or not at all.

    Leaving the block by an exception, a cancellation too, publishes none of them. A batch is for
    one block: outside of it every call raises a RuntimeError.
    """

    __slots__ = ()

    async def __aenter__(self) -> Self:
        return self._begin()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        attempt = self._leave(kind)
        if attempt is None:
            return
        own = self._own
        # While tasks wait, none goes before them.
        sequence = attempt.append() if own.is_usual else NO_SPACE
        if sequence == NO_SPACE:
            sequence = await own.commit(attempt, self._timeout)
        self.sequence = sequence

    if not TYPE_CHECKING:  # type checkers refuse it by themselves

        def __enter__(self) -> NoReturn:
            raise TypeError("this batch is for asyncio: use `async with`")

        __exit__ = __enter__
