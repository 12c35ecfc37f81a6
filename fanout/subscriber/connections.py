"""The sockets of a subscriber: connects, reads, writes, and connects again. Shell around `Core`.

What waits for sockets differs, a thread's poll or an event loop; it is handed in as a
`SocketWatcher`.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from itertools import repeat
from typing import TYPE_CHECKING, Protocol

from fanout.basics.system_calls import RefusedError, explain_unwatched
from fanout.subscriber.blame import CUT_SHORT_TEXT, why_no_tls
from fanout.subscriber.events import ReceiverEvent, ReceiverEventKind
from fanout.subscriber.line import LineState
from fanout.subscriber.plug import Plug
from fanout.transport.connecting import connected_to
from fanout.transport.endpoints import IpcEndpoint
from fanout.zmtp import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fanout.security.records import TlsRecords
    from fanout.subscriber.blame import LostError
    from fanout.subscriber.core import Core
    from fanout.subscriber.message import Message
    from fanout.subscriber.plug import Address
    from fanout.transport.endpoints import Endpoint

ADDRESSES_MAX = 16  # of one host, tried in one attempt: each may take 10 s
ANSWERS_BYTES_MAX = 64 * 1024
"""Of PONGs that a publisher has asked for and does not read: three thousand of them and more.
Subscriptions that it does not read are not counted: these are of our own making."""


class SocketWatcher(Protocol):
    """Waits for sockets."""

    def watch(self, sock: socket.socket, number: int, *, read: bool, write: bool) -> None:
        """Wait for this from now on, in place of what was waited for; neither: for nothing.

        Raises:
            OSError: the system has no memory for that, or no place; nothing is waited for.
        """

    def forget(self, sock: socket.socket) -> None:
        """Wait for nothing of it any more: it is about to be closed."""

    def resolve(self, number: int, host: str, port: int) -> None:
        """Look the addresses of a host up, and call `connect` or `failed` with them."""


def addresses_of(host: str, port: int) -> list[Address]:
    """The addresses of a host; may take as long as its name servers.

    Raises:
        OSError: there is none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found[:ADDRESSES_MAX]]


def unwatched(error: OSError) -> str:
    """Why a connection is lost whose socket the system does not let us watch."""
    return f"its socket cannot be watched: {explain_unwatched(error)}"


class Connections:
    """All sockets of one subscriber. Owned by one thread.

    Args:
        core: decides.
        endpoints: where its lines lead to, in their order.
        watcher: waits.
        on_event: told of what happens to connections.
        once: a line that was up and is lost does not come back.
        wrappings: what makes TLS for each connection, for each line; () or None = it has none.

    Attributes:
        paused: nothing is read, by `pause`.
        violation: why a connection could not be understood, the last one; "" if it could.
    """

    def __init__(
        self,
        core: Core,
        endpoints: Sequence[Endpoint],
        watcher: SocketWatcher,
        *,
        on_event: Callable[[ReceiverEvent], None],
        read_bytes: int,
        once: bool = False,
        wrappings: Sequence[Callable[[], TlsRecords] | None] = (),
    ) -> None:
        self.paused = False
        self.violation = ""
        self._core = core
        self._watcher = watcher
        self._plugs = [
            Plug(endpoint, wrapping)
            for endpoint, wrapping in zip(endpoints, wrappings or repeat(None), strict=False)
        ]
        self._on_event = on_event
        self._read_bytes = read_bytes
        self._once = once

    def turn(self, now: float) -> list[Message]:
        """Do what is due by the clock; returns messages that were held back until now."""
        for number, error in () if self.paused else self._core.silent(now):
            self._lose(number, str(error), now)
        for number in () if self.paused else self._core.due(now):
            self._begin(number, now)
        for number in range(len(self._plugs)):
            self.flush(number, now)
        return self._core.released(now)

    @property
    def is_over(self) -> bool:
        """Whether no line comes back."""
        return all(line.state is LineState.CLOSED for line in self._core.lines)

    def connect(self, number: int, addresses: Sequence[Address], now: float) -> None:
        """Connect a line to the first of these that can be connected to."""
        plug = self._plugs[number]
        if self._core.lines[number].state is not LineState.CONNECTING or plug.sock is not None:
            return  # it has been closed meanwhile
        problem = "the host has no address"
        rest, plug.others = list(addresses), []
        while rest:
            family, address = rest.pop(0)
            try:
                plug.sock = connected_to(family, address)
            except RefusedError:  # it will be no other next time
                raise
            except OSError as error:
                problem = error.strerror or str(error)
                continue
            plug.others = rest
            self._watch(number, plug.sock, now, read=False, write=True)
            return
        self.failed(number, problem, now)

    def failed(self, number: int, problem: str, now: float) -> None:
        """A line cannot be connected now."""
        if self._core.lines[number].state is LineState.CONNECTING:
            self._lose(number, problem, now)

    def writable(self, number: int, now: float) -> None:
        """The socket of a line can be written to, or has failed."""
        line, plug = self._core.lines[number], self._plugs[number]
        if plug.sock is None:
            return
        if line.state is not LineState.CONNECTING:
            self.flush(number, now)
            return
        code = plug.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._lose(number, os.strerror(code), now)
            return
        line.connected(now)
        plug.begin()
        self._watch(number, plug.sock, now, read=not self.paused, write=False)
        self.flush(number, now)

    def readable(self, number: int, now: float) -> list[Message]:
        """The socket of a line has something to read; returns the messages that came."""
        plug = self._plugs[number]
        if plug.sock is None:
            return []
        if self._core.lines[number].state is LineState.CONNECTING:
            self.writable(number, now)  # an error is told to who waits for reading as well
            return []
        data = self._received(number, plug, plug.sock, now)
        if not data:
            return []
        done = self._core.received(number, data, now)
        if done.begins:
            plug.others = []  # it answers: no other address need be tried
            self.violation = ""
            plug.seal(self._core.lines[number].boxing)
            self._tell(ReceiverEventKind.CONNECTED, number, "connected")
            self._warn_if_unnumbered(number)
        if done.passed_over:
            self._tell(ReceiverEventKind.TOO_LARGE, number, done.passed_over)
        if done.lost is not None:
            self.violation = done.lost.violation
            self._end(number, done.lost, now)
        elif plug.has_ended:  # with the end of what it has sent: nothing more will be to be read
            self._end(number, self._core.lines[number].ended(), now)
        else:
            self._answer(number, now, begins=done.begins)
        return done.messages

    def _received(self, number: int, plug: Plug, sock: socket.socket, now: float) -> bytes | None:
        """What a line can read; empty or None: nothing, perhaps as the connection is over."""
        line = self._core.lines[number]
        is_wrapping = plug.is_wrapping
        try:
            data = plug.receive(sock, self._read_bytes)
        except (BlockingIOError, InterruptedError):
            return None
        except RemoteProtocolError as error:
            self.violation = str(error)
            self._end(number, why_no_tls(error, plug.endpoint), now)
            return None
        except OSError as error:
            self._end(number, line.ended(error.strerror or str(error)), now)
            return None
        if data is None:
            line.not_silent(now)
            self.flush(number, now)  # TLS may have something to say, or let us say what waits
        elif not data:
            self._end(number, line.ended(CUT_SHORT_TEXT) if is_wrapping else line.ended(), now)
        return data

    def _answer(self, number: int, now: float, *, begins: bool) -> None:
        """Send what a read has brought about; not without limit to who does not take it."""
        plug = self._plugs[number]
        if plug.has_unsent() and not begins:
            answer = self._core.lines[number].data_to_send()
            plug.unsent += answer
            plug.answers += len(answer)
            if plug.answers > ANSWERS_BYTES_MAX:
                self._lose(number, "the publisher sends PINGs and does not read the answers", now)
                return
        self.flush(number, now)

    def flush(self, number: int, now: float) -> None:
        """Send what a line has to say, as far as the socket takes it."""
        line, plug = self._core.lines[number], self._plugs[number]
        if plug.sock is None or line.state is LineState.CONNECTING:
            return
        was_unsent = plug.has_unsent()
        plug.unsent += line.data_to_send()
        if not plug.has_unsent():
            return
        try:
            plug.send(plug.sock)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self._cut_off(number, plug, plug.sock, error, now)
            return
        if not plug.has_unsent():
            plug.answers = 0
        if was_unsent or plug.has_unsent():
            write = plug.has_unsent()
            self._watch(number, plug.sock, now, read=not self.paused, write=write)

    def _watch(
        self, number: int, sock: socket.socket, now: float, *, read: bool, write: bool
    ) -> None:
        """Wait for this; if the system does not let us, the line is lost, and comes back."""
        try:
            self._watcher.watch(sock, number, read=read, write=write)
        except OSError as error:
            self._lose(number, unwatched(error), now)

    def _cut_off(
        self, number: int, plug: Plug, sock: socket.socket, error: OSError, now: float
    ) -> None:
        """A line cannot be written to; what TLS has said before that may tell why."""
        if plug.records is not None:
            try:
                plug.receive(sock, self._read_bytes)
            except RemoteProtocolError as told:
                self.violation = str(told)
                self._end(number, why_no_tls(told, plug.endpoint), now)
                return
            except OSError:
                pass  # it has said nothing
        self._lose(number, error.strerror or str(error), now)

    def pause(self, paused: bool, now: float) -> None:
        """Read nothing, or read again: the publisher then does what its policy says."""
        self.paused = paused
        self._core.resume(now)
        for number, plug in enumerate(self._plugs):
            line = self._core.lines[number]
            if plug.sock is not None and line.state is not LineState.CONNECTING:
                self._watch(number, plug.sock, now, read=not paused, write=plug.has_unsent())

    def give_up(self, reason: str, now: float) -> None:
        """Lose all connections, for a reason of our own."""
        for number, plug in enumerate(self._plugs):
            if plug.sock is not None:
                plug.others = []
                self._lose(number, reason, now)

    def close(self) -> None:
        """End all for good. Idempotent."""
        for line, plug in zip(self._core.lines, self._plugs, strict=True):
            line.close()
            self._unplug(plug)

    def _begin(self, number: int, now: float) -> None:
        endpoint = self._plugs[number].endpoint
        if isinstance(endpoint, IpcEndpoint):
            path = "\0" + endpoint.path[1:] if endpoint.is_abstract else endpoint.path
            self.connect(number, [(socket.AF_UNIX, path)], now)
        else:
            self._watcher.resolve(number, endpoint.host, endpoint.port)

    def _unplug(self, plug: Plug) -> None:
        sock = plug.pull()
        if sock is not None:
            self._watcher.forget(sock)
            with suppress(OSError):
                sock.close()

    def _end(self, number: int, why: LostError, now: float) -> None:
        """A line is lost by what its publisher has said, or not said."""
        if why.refused:
            self._plugs[number].others = []  # it answers: no other address need be tried
        self._lose(number, str(why), now, refused=why.refused)

    def _lose(self, number: int, reason: str, now: float, *, refused: bool = False) -> None:
        line, plug = self._core.lines[number], self._plugs[number]
        was_up = line.is_up
        self._unplug(plug)
        others, plug.others = plug.others, []
        if others and not was_up:  # of the same host: one of these may be the one that serves
            line.connecting(now)
            self.connect(number, others, now)
            return
        self._core.lost(number, now, for_good=self._once and line.connections > 0)
        failed = ReceiverEventKind.REFUSED if refused else ReceiverEventKind.FAILED
        self._tell(ReceiverEventKind.LOST if was_up else failed, number, reason)

    def _warn_if_unnumbered(self, number: int) -> None:
        line = self._core.lines[number]
        said = line.introduction
        if said is not None and not said.sequence and line.connections == 1:
            text = (
                "the publisher sends no sequence numbers (sequence_frame=True): after a reconnect "
                "nobody knows how much is missing"
            )
            self._tell(ReceiverEventKind.UNNUMBERED, number, text)

    def _tell(self, kind: ReceiverEventKind, number: int, text: str) -> None:
        self._on_event(ReceiverEvent(kind, str(self._plugs[number].endpoint), text))
