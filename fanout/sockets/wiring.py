"""The sockets below a socket: listens, accepts, connects, reads and writes. Shell around `Core`.

What waits for them differs, a thread's poll or an event loop; it is handed in as a `PlugWatcher`.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from fanout.basics.system_calls import RefusedError
from fanout.reasons import Reason
from fanout.sockets.dial import DialState
from fanout.sockets.entrance import Entrance
from fanout.sockets.parting import has_parted, part_with
from fanout.sockets.peer import earliest
from fanout.sockets.plug import Plug, hurry
from fanout.sockets.watching import refusal
from fanout.terms.addresses import OF_ADDRESS
from fanout.transport.connecting import connected_to
from fanout.transport.endpoints import IpcEndpoint
from fanout.transport.hosts import is_host_there
from fanout.transport.listener import never_block, peer_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.sockets.core import Core
    from fanout.sockets.dial import Dial
    from fanout.sockets.peer import Peer
    from fanout.sockets.watching import PlugWatcher
    from fanout.subscriber.plug import Address
    from fanout.transport.listener import Listener

WRITES_MAX = 8  # to one peer in a turn
LOOK_EACH_S = 1.0  # at all peers: a PING may say that its sender is to be given up after a second
LOOK_LEAST_S = 0.01
CLOSED, CLOSED_BY_PEER = "closed", "the peer has closed the connection"


class Wiring:
    """All descriptors of one socket. Owned by the actor."""

    def __init__(self, core: Core, watcher: PlugWatcher) -> None:
        self._core = core
        self._watcher = watcher
        self._entrance = Entrance(core, watcher, self._adopt)
        self._plugs: dict[Peer, Plug] = {}
        self._connecting: dict[Dial, Plug] = {}
        self._is_paused = False  # nothing is read
        self._is_changed = True  # there is something new to look at
        self._look_at = 0.0

    # What is due.

    def turn(self, now: float) -> None:
        """Do what is due: connect, give up, write, and read or not."""
        if self._is_changed or now >= self._look_at:
            self._look(now)
        for peer in self._core.role.dispatch():
            self.flush(self._plugs[peer], now)
        for turned in self._core.role.take_turned():
            self._turn_to(turned, now)
        while self._core.role.condemned:
            condemned, why = self._core.role.condemned.pop()
            if condemned in self._plugs:
                self._lose(self._plugs[condemned], why, now)
        if self._is_paused and not self._core.is_full():
            self._pause(False, now)

    def next_at(self) -> float | None:
        """When there is something to do by the clock; None: nothing."""
        if self._core.role.may_dispatch or self._is_changed:
            return 0.0
        is_used = self._plugs or self._connecting or self._core.dials or self._entrance.times()
        return earliest([self._look_at, self._core.role.next_at()]) if is_used else None

    def _look(self, now: float) -> None:
        self._is_changed = False
        core = self._core
        for peer in self._plugs:
            if not self._reads(peer):
                peer.paused(now)
        for dial in core.late(now):
            self._give_up(dial, "no answer to the connection attempt", now)
        for peer, plug in self._plugs.items():
            if peer.may_be_busy(now) and is_host_there(plug.sock):
                peer.vouch(now)
        for peer, text in core.silent(now):
            self._lose(self._plugs[peer], text, now)
        for dial in core.due(now):
            self._begin(dial, now)
        for plug in list(self._plugs.values()):
            self.flush(plug, now)  # PINGs
        self._entrance.look(now)
        times = [now + LOOK_EACH_S, *self._entrance.times()]
        if (due := core.next_at()) is not None:
            times.append(due)
        self._look_at = max(min(times), now + LOOK_LEAST_S)

    def changed(self) -> None:
        """There is something new: an endpoint to connect to, or a subscription to be told."""
        self._is_changed = True

    # Listening.

    def listen(self, listener: Listener) -> None:
        """Accept those who connect there."""
        self._entrance.listen(listener)
        self._is_changed = True

    def stop_listening(self) -> None:
        """Nobody can connect any more. Idempotent."""
        self._entrance.stop()

    def _adopt(self, sock: socket.socket, address: object, now: float) -> str:
        """Take over who has connected; returns why he cannot be watched, and is lost, if so."""
        try:
            never_block(sock)
            hurry(sock)
            found = self._core.accepted(peer_name(sock, address), now)
        except BaseException:
            sock.close()
            raise
        if not isinstance(found, Reason):
            return self._open(Plug(sock, peer=found), now)
        if found in OF_ADDRESS:
            self._entrance.hold(sock, now)
        else:
            sock.close()
        return ""

    # Connecting.

    def _begin(self, dial: Dial, now: float) -> None:
        endpoint = dial.endpoint
        if isinstance(endpoint, IpcEndpoint):
            path = "\0" + endpoint.path[1:] if endpoint.is_abstract else endpoint.path
            self.connect(dial, [(socket.AF_UNIX, path)], now)
        else:
            self._watcher.resolve(dial, endpoint.host, endpoint.port)

    def connect(self, dial: Dial, addresses: Sequence[Address], now: float) -> None:
        """Connect to the first of these that can be connected to."""
        if dial.state is not DialState.CONNECTING or dial in self._connecting:
            return  # it took too long
        problem, rest = "the host has no address", list(addresses)
        while rest:
            family, address = rest.pop(0)
            try:
                sock = connected_to(family, address)
            except RefusedError:  # it will be no other next time
                raise
            except OSError as error:
                problem = error.strerror or str(error)
                continue
            plug = Plug(sock, dial=dial, others=rest)
            if text := refusal(self._watcher, plug, read=False, write=True):
                self._unplug(plug)
                problem = text
                continue
            self._connecting[dial] = plug
            return
        self.failed(dial, problem, now)

    def failed(self, dial: Dial, problem: str, now: float) -> None:
        """It cannot be connected now."""
        if dial.state is DialState.CONNECTING:
            self._core.failed(dial, problem, now)
            self._is_changed = True

    def _give_up(self, dial: Dial, problem: str, now: float) -> None:
        plug = self._connecting.pop(dial, None)
        if plug is not None:
            self._unplug(plug)
        self.failed(dial, problem, now)

    def _connected(self, plug: Plug, now: float) -> None:
        dial = plug.dial
        assert dial is not None, "only what is connected to is waited for like that"
        code = plug.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        del self._connecting[dial]
        if code:
            self._unplug(plug)
            if plug.others:
                self.connect(dial, plug.others, now)
            else:
                self.failed(dial, os.strerror(code), now)
            return
        hurry(plug.sock)
        plug.dial, plug.peer = None, self._core.connected(dial, now)
        self._open(plug, now)

    # Connections.

    def _open(self, plug: Plug, now: float) -> str:
        """Begin; returns why it cannot be watched, and is lost, if so."""
        assert plug.peer is not None, "it has just been made"
        self._plugs[plug.peer] = plug
        text = self._watch(plug, now, read=True, write=False)
        if not text:
            self.flush(plug, now)
        return text

    def ready(self, plug: Plug, now: float, *, read: bool, write: bool) -> None:
        """A socket has something to say."""
        if plug.is_closed:
            return
        if plug.listener is not None:
            self._entrance.accept(plug, plug.listener, now)
        elif plug.is_parting:
            if has_parted(plug):
                self._lose(plug, CLOSED, now)
        elif plug.peer is None:
            self._connected(plug, now)
        else:
            if write:
                self.flush(plug, now)
            if read and not plug.is_closed:
                self._read(plug, plug.peer, now)

    def _read(self, plug: Plug, peer: Peer, now: float) -> None:
        if not self._reads(peer):
            return
        try:
            data = plug.sock.recv(self._core.role.read_bytes)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(plug, error.strerror or str(error), now)
            return
        if not data:
            self._lose(plug, CLOSED_BY_PEER, now)
            return
        problem = self._core.received(peer, data, now)
        if problem is not None:
            self.flush(plug, now)  # it may be told why
            self._lose(plug, str(problem), now, refused=True)
            return
        self.flush(plug, now)
        if self._core.is_full() or self._is_paused:  # paused: this was a handshake
            self._pause(True, now)

    def flush(self, plug: Plug, now: float) -> None:
        """Write what a peer is to get, as far as its socket takes it."""
        peer = plug.peer
        if peer is None or plug.is_closed or plug.is_parting:
            return
        is_full = False
        for _ in range(WRITES_MAX):
            piece = peer.next_piece()
            if not piece:
                break
            try:
                written = plug.sock.send(piece)
            except (BlockingIOError, InterruptedError):
                is_full = True
                break
            except OSError as error:
                self._lose(plug, error.strerror or str(error), now)
                return
            peer.wrote(written)
            if written < len(piece):
                is_full = True
                break
        wants = is_full or peer.has_unsent
        if wants != plug.wants_write:
            plug.wants_write = wants
            self._watch(plug, now, read=self._reads(peer), write=wants)

    def _watch(self, plug: Plug, now: float, *, read: bool, write: bool) -> str:
        """Wait for this of a connection, which is lost if the system does not let us: why."""
        if text := refusal(self._watcher, plug, read=read, write=write):
            self._lose(plug, text, now)
        return text

    def _pause(self, is_paused: bool, now: float) -> None:
        """Read nothing, or read again."""
        self._is_paused = is_paused
        for peer, plug in list(self._plugs.items()):
            if peer.is_ready:
                peer.paused(now)
            self._watch(plug, now, read=self._reads(peer), write=plug.wants_write)

    def _turn_to(self, peer: Peer, now: float) -> None:
        """Read it, or do not any more."""
        plug = self._plugs.get(peer)
        if plug is not None:
            peer.paused(now)
            self._watch(plug, now, read=self._reads(peer), write=plug.wants_write)

    def _reads(self, peer: Peer) -> bool:
        """Whether it is read: who is not there yet is, so that messages can go to it."""
        return not peer.is_ready or not (self._is_paused or self._core.role.is_left_unread(peer))

    def _lose(self, plug: Plug, text: str, now: float, *, refused: bool = False) -> None:
        assert plug.peer is not None, "only connections are lost"
        self._plugs.pop(plug.peer, None)
        self._unplug(plug)
        self._core.lost(plug.peer, text, now, refused=refused)
        self._look_at = min(self._look_at, now + LOOK_LEAST_S)  # it may have to come back soon

    # The end.

    def part(self) -> None:
        """Say to all who were sent something that nothing more comes; see `parting`."""
        part_with([plug for peer, plug in self._plugs.items() if peer.sent], self._watcher.watch)

    @property
    def is_parting(self) -> bool:
        """Whether somebody who was told so has not ended the connection yet."""
        return any(plug.is_parting for plug in self._plugs.values())

    def close(self, now: float) -> None:
        """End everything. Idempotent."""
        self.stop_listening()
        for plug in self._connecting.values():
            self._unplug(plug)
        self._connecting.clear()
        for plug in list(self._plugs.values()):
            self._lose(plug, CLOSED, now)

    def _unplug(self, plug: Plug) -> None:
        if not plug.is_closed:
            plug.is_closed = True
            self._watcher.forget(plug)
            with suppress(OSError):
                plug.sock.close()
