"""Who still owes an answer to which question. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    class Flag(Protocol):
        """Something that can be set, once all have answered: `threading.Event`."""

        def set(self) -> None: ...


class Answers:
    """Questions that wait for workers to answer; one owner, the coordinator's thread.

    A question whose workers never answer stays until they are lost, so there are never more than
    those who ask were willing to make.
    """

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[set[int], Flag]] = {}
        self._next_token = 1

    def expect(self, workers: Iterable[int], flag: Flag) -> int | None:
        """A new question to these workers: its token, None if there is nobody to wait for."""
        waiting = set(workers)
        if not waiting:
            return None
        token = self._next_token
        self._next_token += 1
        self._waiting[token] = (waiting, flag)
        return token

    def came(self, token: int, worker: int) -> Flag | None:
        """This worker has answered; returns the flag to set if it was the last.

        A token that is not known was given up.
        """
        if token not in self._waiting:
            return None
        waiting, flag = self._waiting[token]
        waiting.discard(worker)
        if waiting:
            return None
        del self._waiting[token]
        return flag

    def forget(self, worker: int) -> list[Flag]:
        """This worker is lost and owes nothing any more; returns the flags to set."""
        flags = [self.came(token, worker) for token in list(self._waiting)]
        return [flag for flag in flags if flag is not None]

    def take_back(self, worker: int) -> list[Flag]:
        """Questions that wait for this worker are void: others have to be asked what it knew."""
        void = [token for token, (waiting, _) in self._waiting.items() if worker in waiting]
        return [self._waiting.pop(token)[1] for token in void]
