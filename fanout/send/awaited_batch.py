"""A batch that is committed by an `async with` block: that may have to wait for room."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from fanout.send.batch import Messages

if TYPE_CHECKING:
    from types import TracebackType


class Batch(Messages):
    """Messages that are published together when the `async with` block ends, or not at all.

    Leaving the block by an exception, a cancellation too, publishes none of them. A batch is for
    one block: outside of it every call raises a RuntimeError.
    """

    __slots__ = ()

    async def __aenter__(self) -> Batch:
        self._begin()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        attempt = self._leave(kind)
        if attempt is not None:
            self.sequence = await self._commit(attempt, self._timeout)

    if not TYPE_CHECKING:  # type checkers refuse it by themselves

        def __enter__(self) -> NoReturn:
            raise TypeError("this batch is for asyncio: use `async with`")

        __exit__ = __enter__
