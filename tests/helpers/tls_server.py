"""A publisher by TLS that a test plays: each byte goes out when the test says so."""

from __future__ import annotations

import _ssl
import ctypes
import socket
import ssl
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from fanout.security.records import RECORD_BYTES, TlsRecords
from fanout.security.tls import context_of
from fanout.zmtp import Session, encode_message
from tests.helpers.certificates import SERVER, SERVER_KEY
from tests.helpers.limits import LIMITS
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from types import TracebackType

READ_BYTES = 64 * 1024
SSL_CTRL_SET_GROUPS_LIST = 92  # of openssl/ssl.h


def serving_context() -> ssl.SSLContext:
    """What an honest one has."""
    return context_of([SERVER, SERVER_KEY, b"", b""])


def stock_context(chain: bytes = SERVER, key: bytes = SERVER_KEY) -> ssl.SSLContext:
    """What a server has that is none of ours: nothing but its certificate and its key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:  # OpenSSL takes them from nowhere else
        file.write(chain + key)
        file.flush()
        context.load_cert_chain(file.name)
    return context


def inner_of(side: ssl.SSLObject | ssl.SSLSocket) -> ctypes.c_void_p:
    """What OpenSSL knows a side by: for what Python has no word for."""
    # Its head, a reference to the socket, and then OpenSSL's own object.
    place = id(side._sslobj) + object.__basicsize__ + ctypes.sizeof(ctypes.c_void_p)  # type: ignore[union-attr]
    return ctypes.c_void_p(ctypes.c_void_p.from_address(place).value)


def have_it(name: str, side: ssl.SSLObject | ssl.SSLSocket, *arguments: int) -> None:
    """Call a function of OpenSSL's that has a side begin something, and let it go on."""
    function = getattr(ctypes.CDLL(_ssl.__file__), name)
    function.argtypes = [ctypes.c_void_p, *([ctypes.c_int] * len(arguments))]
    assert function(inner_of(side), *arguments) == 1
    side.do_handshake()


def offer_only(group: str, side: ssl.SSLObject | ssl.SSLSocket) -> None:
    """Have one that has not begun know a single group; to Python 3.11.2 only a curve has a name."""
    control = ctypes.CDLL(_ssl.__file__).SSL_ctrl
    control.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p]
    control.restype = ctypes.c_long
    assert control(inner_of(side), SSL_CTRL_SET_GROUPS_LIST, 0, group.encode()) == 1


class TlsTalk:
    """One connection of a subscriber. Owns its socket."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        sock.settimeout(DEADLINE_S)
        self.socket = sock
        self.records = TlsRecords(context)
        self.session = Session(LIMITS)

    def hear(self) -> None:
        """Take what the subscriber says next.

        Raises:
            EOFError: it has left.
        """
        data = self.socket.recv(READ_BYTES)
        if not data:
            raise EOFError
        self.session.receive_data(self.records.receive(data))

    def flush(self) -> None:
        """What TLS has to say by itself."""
        self.socket.sendall(self.records.take_output())

    def shake(self) -> Self:
        """The handshake of TLS."""
        while not self.records.is_ready:
            self.hear()
            self.flush()
        return self

    def serve(self) -> Self:
        """Both handshakes, until it has subscribed."""
        self.shake()
        while not self.session.subscriptions:
            self.say(self.session.data_to_send())
            self.hear()
        return self

    def sealed(self, plain: bytes) -> bytes:
        """The records of these bytes, to be sent in this order."""
        steps = range(0, len(plain), RECORD_BYTES)
        return b"".join([self.records.seal(plain[at : at + RECORD_BYTES]) for at in steps])

    def say(self, plain: bytes) -> None:
        self.socket.sendall(self.sealed(plain))

    def publish(self, *frames: bytes) -> None:
        self.say(encode_message(frames))

    def wait_for_the_end(self) -> None:
        """Read until the subscriber has left."""
        with suppress(ConnectionResetError):
            while self.socket.recv(READ_BYTES):
                pass


class TlsServer:
    """Takes connections one after another. A context manager, which ends them.

    Attributes:
        endpoint: where it is.
        accepted: how many came.
    """

    def __init__(self, context: ssl.SSLContext | None = None, receive_buffer: int = 0) -> None:
        self._context = context or serving_context()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(DEADLINE_S)
        if receive_buffer:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.endpoint = f"tls://127.0.0.1:{self._listener.getsockname()[1]}"
        self.accepted = 0
        self._talks: list[TlsTalk] = []

    def accept(self) -> TlsTalk:
        """The next connection."""
        sock, _ = self._listener.accept()
        self.accepted += 1
        self._talks.append(TlsTalk(sock, self._context))
        return self._talks[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for talk in self._talks:
            talk.socket.close()
        self._listener.close()
