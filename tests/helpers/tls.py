"""Peers that speak TLS: raw ones, and a relay for stock sockets, as stunnel is one."""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from fanout import auth
from tests.helpers.certificates import AUTHORITY, CLIENT, CLIENT_KEY, SERVER, SERVER_KEY
from tests.helpers.raw import RawPeer
from tests.helpers.tls_server import have_it
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

NAME = "localhost"  # in the certificate of the server, with 127.0.0.1 and ::1
_PIECE = 64 * 1024
_ANSWERED = 1  # SSL_KEY_UPDATE_REQUESTED


def server_tls(*, client_ca: bytes | None = None) -> auth.Tls:
    """What the publisher of a test has."""
    return auth.Tls(SERVER, SERVER_KEY, client_ca=client_ca)


def client_context(
    directory: Path | None = None, authority: bytes = AUTHORITY, own: bytes = CLIENT + CLIENT_KEY
) -> ssl.SSLContext:
    """What a peer has.

    Args:
        directory: where its own certificate may be put for a moment; None = it shows none.
        authority: by whom the publisher's has to be signed.
        own: that certificate, with its key.
    """
    context = ssl.create_default_context(cadata=authority.decode())
    if directory is not None:
        path = directory / "client.pem"
        path.write_bytes(own)
        context.load_cert_chain(path)
        path.unlink()
    return context


def ask_for_new_keys(side: ssl.SSLObject | ssl.SSLSocket) -> None:
    """Have a side of TLS 1.3 say KeyUpdate, and ask for one."""
    have_it("SSL_key_update", side, _ANSWERED)


class TlsPeer(RawPeer):
    """A raw peer inside of TLS; see `RawPeer`."""

    context: ssl.SSLContext | None = None  # of those to come; None = the usual one
    may_be_cut = True  # an end that is not said in TLS looks like one that is

    def __init__(self, endpoint: str, receive_buffer: int = 0, read_ahead: int = 0) -> None:
        super().__init__(endpoint.replace("tls://", "tcp://"), receive_buffer, read_ahead)
        self.plain = self.socket  # for who wants to write what is no record
        context = self.context or client_context()
        try:
            self.socket = context.wrap_socket(
                self.socket.dup(),
                server_hostname=NAME,
                suppress_ragged_eofs=self.may_be_cut,
            )
        except BaseException:
            self.plain.close()
            raise

    @property
    def tls(self) -> ssl.SSLSocket:
        assert isinstance(self.socket, ssl.SSLSocket)
        return self.socket

    def close(self) -> None:
        self.plain.close()
        super().close()


class Relay:
    """Takes plain connections and carries each on by TLS, with a loop on a thread of its own.

    Args:
        endpoint: `tls://` of a publisher.
        front: takes TLS by this, and carries each on in clear text; None = the other way round.

    Attributes:
        endpoint: where sockets connect to.
    """

    endpoint: str

    def __init__(
        self,
        endpoint: str,
        context: ssl.SSLContext | None = None,
        *,
        front: ssl.SSLContext | None = None,
    ) -> None:
        host, _, port = endpoint.partition("://")[2].rpartition(":")
        self._target = host.strip("[]"), int(port)
        self._context = None if front is not None else context or client_context()
        self._front = front
        # Its own, because this alone knows of whom nothing is begun but a handshake.
        self._selector = selectors.DefaultSelector()
        self._loop = asyncio.SelectorEventLoop(self._selector)
        self._own = self._sockets()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._ready = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ends: set[asyncio.StreamWriter] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(DEADLINE_S)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_S)

    def _run(self) -> None:
        loop = self._loop
        server = loop.run_until_complete(
            asyncio.start_server(self._come, "127.0.0.1", 0, ssl=self._front)
        )
        host, port = server.sockets[0].getsockname()
        self.endpoint = f"{'tcp' if self._front is None else 'tls'}://{host}:{port}"
        self._ready.set()
        loop.run_forever()
        for listening in server.sockets:
            loop.remove_reader(listening)  # a closed server leaves those open whom it has accepted
        loop.run_until_complete(self._end())
        server.close()
        loop.close()

    async def _end(self) -> None:
        """Also of those who came in the last moment, and of whom nothing was begun.

        No task is cancelled: a stream that is cancelled while it opens leaves its transport open.
        """
        async with asyncio.timeout(DEADLINE_S):
            while len(asyncio.all_tasks()) > 1 or self._sockets() > self._own:
                for fd in self._sockets() - self._own:
                    with socket.socket(fileno=os.dup(fd)) as end, suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)
                for writer in self._ends:
                    writer.transport.abort()
                await asyncio.sleep(0)
            await asyncio.sleep(0)  # what was ended last closes its socket in the next round

    def _sockets(self) -> set[int]:
        return {key.fd for key in self._selector.get_map().values()}

    def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.add(writer)
        task = self._loop.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends, ways = [writer], []
        try:
            there = await asyncio.open_connection(
                *self._target,
                ssl=self._context,
                server_hostname=NAME if self._context is not None else None,
            )
            ends.append(there[1])
            ways = [
                asyncio.ensure_future(_copy(reader, there[1])),
                asyncio.ensure_future(_copy(there[0], writer)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            pass  # it was refused: so the plain side ends, too
        finally:
            for end in ends:  # first: the relay may end while this waits for the ways
                end.transport.abort()
            self._ends.discard(writer)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_PIECE):
        writer.write(piece)
        await writer.drain()
