"""A compiled publisher as a peer: a program without Python, told what to publish by lines.

What it must understand is in rust/README.md. It has one copy of each topic and of the payload, and
makes each message of them by itself, so that nothing of Python is in what is measured.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.children import die_with_parent, last_words
from benchmarks.peers.base import LOOPBACK, Peer
from benchmarks.peers.programs import command, find_libzmq

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.traffic import Traffic

STOP_SECONDS = 5.0


class CompiledPeer(Peer):
    """One program; it is waited for after each line, as `publish` of the others is."""

    def __init__(
        self,
        program: str,
        traffic: Traffic,
        threads: int = 1,
        extra: Callable[[], str] | None = None,
    ) -> None:
        super().__init__(traffic)
        numbers = (traffic.subscribers + traffic.stalled, traffic.payload_bytes, threads)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the program)
        self._process = subprocess.Popen(
            [*command(program), *map(str, numbers), *([extra()] if extra else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            preexec_fn=die_with_parent,  # safe: there are no threads here yet
        )

    def start(self) -> list[str]:
        return [f"{LOOPBACK}:{int(self._ask(b' '.join(self.traffic.schedule)))}"]

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, topic: bytes, payload: bytes) -> None:
        self._ask(b"send %b %b" % (topic, payload))

    def publish(self, count: int) -> None:
        self._ask(b"publish %d" % count)

    def _ask(self, line: bytes) -> bytes:
        """Says one line, and waits for the answer.

        Raises:
            OSError: the program has ended; the text has its last words.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended: there is no answer either
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if not answer:
            raise OSError(last_words(self._process, self._said))
        return answer

    def close(self) -> None:
        self._process.kill()
        self._process.wait(STOP_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout, self._said):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):  # what it was not told any more
                pipe.close()


omq = partial(CompiledPeer, "omq")
rzmq = partial(CompiledPeer, "rzmq")
rzmq_uring = partial(CompiledPeer, "rzmq-uring")
monocoque = partial(CompiledPeer, "monocoque")
zmqrs = partial(CompiledPeer, "zmqrs")
libzmq_c = partial(CompiledPeer, "libzmq-c", extra=find_libzmq)
