"""Waiting for the sockets below a socket, and that it may be refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from fanout.subscriber.connections import unwatched

if TYPE_CHECKING:
    from fanout.sockets.dial import Dial
    from fanout.sockets.plug import Plug


class PlugWatcher(Protocol):
    """Waits for sockets."""

    def watch(self, plug: Plug, *, read: bool, write: bool) -> None:
        """Wait for this from now on, in place of what was waited for; neither: for nothing.

        Raises:
            OSError: the system has no memory for that, or no place; nothing is waited for.
        """

    def forget(self, plug: Plug) -> None:
        """Wait for nothing of it any more: it is about to be closed."""

    def resolve(self, dial: Dial, host: str, port: int) -> None:
        """Look the addresses of a host up, and call `connect` or `failed` with them."""


def refusal(watcher: PlugWatcher, plug: Plug, *, read: bool, write: bool) -> str:
    """Wait for this; returns why that cannot be, "" if it can."""
    try:
        watcher.watch(plug, read=read, write=write)
    except OSError as error:
        return unwatched(error)
    return ""
