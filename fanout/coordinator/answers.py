"""Who still owes an answer to which request for a snapshot. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    class Flag(Protocol):
        """Something that can be set, once all have answered: `threading.Event`."""

        def set(self) -> None: ...


class Snapshots:
    """Requests that wait for workers; one owner, the coordinator's thread.

    A request whose workers never answer stays until they are lost, so there are never more than
    their requesters were willing to make.
    """

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[set[int], Flag]] = {}
        self._next_token = 1

    def begin(self, workers: Iterable[int], flag: Flag) -> int:
        """A new request to these workers; returns its token. `flag` is set when all are done."""
        token = self._next_token
        self._next_token += 1
        waiting = set(workers)
        if waiting:
            self._waiting[token] = (waiting, flag)
        else:
            flag.set()
        return token

    def done(self, token: int, worker: int) -> None:
        """This worker has answered; an unknown token was given up."""
        entry = self._waiting.get(token)
        if entry is None:
            return
        waiting, flag = entry
        waiting.discard(worker)
        if not waiting:
            del self._waiting[token]
            flag.set()

    def forget(self, worker: int) -> None:
        """This worker is lost and owes nothing any more."""
        for token in list(self._waiting):
            self.done(token, worker)
