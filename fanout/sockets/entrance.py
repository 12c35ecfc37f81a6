"""The entrance: the listeners of one socket, and those who are held before their end. Shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.basics.descriptors import standard_taken
from fanout.basics.system_calls import explain
from fanout.sockets.plug import Plug
from fanout.sockets.watching import refusal
from fanout.terms.addresses import REFUSED_HELD
from fanout.transport.accept_queue import crowded
from fanout.transport.accepting import ExhaustedError, sparing
from fanout.transport.held import HeldBack

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

    from fanout.sockets.core import Core
    from fanout.sockets.watching import PlugWatcher
    from fanout.transport.listener import Listener

ACCEPT_PAUSE_S = 1.0  # without a descriptor left: others may close some


class Entrance:
    """Owned by the actor.

    Args:
        adopt: takes over who has connected; returns why he cannot be watched, "" if he can.
    """

    def __init__(
        self,
        core: Core,
        watcher: PlugWatcher,
        adopt: Callable[[socket.socket, object, float], str],
    ) -> None:
        self._core = core
        self._watcher = watcher
        self._adopt = adopt
        self._listening: dict[Listener, Plug] = {}
        self._pausing: dict[Plug, float] = {}  # listeners that accept nothing, until when
        self._held = HeldBack()

    def listen(self, listener: Listener) -> None:
        """Accept those who connect there, from the next look on."""
        self._listening[listener] = plug = Plug(listener.socket, listener=listener)
        self._pausing[plug] = 0.0

    def accept(self, plug: Plug, listener: Listener, now: float) -> None:
        """Let in who waits there."""
        if text := crowded(listener):
            self._core.role.crowded(text)
        try:
            with standard_taken():
                self._accept_all(plug, now)
        except ExhaustedError as error:
            if not self._held.make_room():
                self._pause(plug, explain(error), now)

    def _accept_all(self, plug: Plug, now: float) -> None:
        for sock, address in sparing(plug.sock):
            if text := self._adopt(sock, address, now):
                self._pause(plug, text, now)
                return  # the rest waits in the listen queue

    def hold(self, sock: socket.socket, now: float) -> None:
        """End this one after a while; takes it over."""
        self._held.hold(sock.detach(), now + REFUSED_HELD)

    def look(self, now: float) -> None:
        """End who was held for long enough, and accept again where the pause is over."""
        self._held.end(now)
        for plug, until in list(self._pausing.items()):
            if now >= until:
                del self._pausing[plug]
                if text := refusal(self._watcher, plug, read=True, write=False):
                    self._pause(plug, text, now)
                    return

    def times(self) -> Iterable[float]:
        """When it is to `look()` again."""
        held_until = self._held.next_at()
        return [*self._pausing.values(), *([] if held_until is None else [held_until])]

    def _pause(self, plug: Plug, text: str, now: float) -> None:
        """Accept nobody for a while, at no listener: another would find no more than this one."""
        self._core.refused(plug.name, f"cannot accept: {text}")
        for each in self._listening.values():
            self._watcher.watch(each, read=False, write=False)
            self._pausing[each] = now + ACCEPT_PAUSE_S

    def stop(self) -> None:
        """Nobody can connect any more. Idempotent."""
        for listener, plug in self._listening.items():
            self._watcher.forget(plug)
            plug.is_closed = True
            listener.close()
        self._listening.clear()
        self._pausing.clear()
        self._held.end()
