"""The first message of a blocking socket: whether its call is awaited is looked at then. Shell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.terms.awaiting import SOCKET, refuse_await

if TYPE_CHECKING:
    from weakref import ref

    from fanout.sockets.role import Role

_MESSAGES = {"prepare", "try_recv"}  # one of these is asked for by each call that sends or receives


class FirstRole:
    """In the place of the role until a message is sent or received: then that is there again.

    Args:
        socket: has this as its role; a weak reference.
    """

    __slots__ = ("_role", "_socket")

    def __init__(self, socket: ref[Any], role: Role) -> None:
        self._socket = socket
        self._role = role

    def __getattr__(self, name: str) -> Any:
        if name in _MESSAGES:
            refuse_await(SOCKET)  # raises: the next one will look again
            socket: Any = self._socket()
            socket._role = self._role
        return getattr(self._role, name)
