"""From standard input to the publisher: what one read returned is published at once."""

from __future__ import annotations

import os
import select
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from fanout.cli.serve.items import BadInput, Frames, size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from fanout.cli.serve.formats import Parsed, Parser

READ_BYTES_MAX = 256 * 1024
"""Bytes taken in one read: four times a Linux pipe, so that one read empties it."""

BATCH_MESSAGES_MAX = 256
"""Messages in one commit: enough that its cost is gone in the noise, few enough that the first
one does not wait noticeably for the last."""


class OpenBatch(Protocol):
    """A batch of the publisher, as far as it is used here."""

    def publish(self, topic: bytes, payload: bytes) -> object:
        """Adds a message."""

    def send_multipart(self, frames: Sequence[bytes]) -> object:
        """Adds a message of any number of frames."""


class Sink(Protocol):
    """The publisher, as far as it is used here."""

    def batch(self) -> AbstractContextManager[OpenBatch]:
        """Returns a batch, which is committed when it is left."""


class InputError(Exception):
    """Standard input cannot be read; the text says why."""


class InputChunks:
    """Reads of a descriptor that end when `wake_fd` becomes readable.

    Args:
        fd: any file: pipe, socket, terminal, regular file; blocking or not.
        wake_fd: see above; stays the caller's.

    Attributes:
        at_end: True once the input came to its end.
    """

    def __init__(self, fd: int, wake_fd: int) -> None:
        self.at_end = False
        self._fd = fd
        self._wake_fd = wake_fd
        self._poll = select.poll()  # epoll refuses regular files
        self._poll.register(fd, select.POLLIN)
        self._poll.register(wake_fd, select.POLLIN)

    def __iter__(self) -> Iterator[bytes]:
        """Yields what each read returned, until the end of the input or a wake-up.

        Raises:
            InputError: the read failed.
        """
        while True:
            ready = {fd for fd, _ in self._poll.poll()}
            if self._wake_fd in ready:
                return
            try:
                data = os.read(self._fd, READ_BYTES_MAX)
            except BlockingIOError:
                continue
            except OSError as error:
                raise InputError(f"cannot read standard input: {error.strerror}") from error
            if not data:
                self.at_end = True
                return
            yield data


@dataclass(frozen=True, slots=True)
class Intake:
    """What became of the input.

    Attributes:
        bad_input: items that were not messages.
        refused: the input was given up: its rest is unreadable, or `strict` and an item was bad.
        last_bad: the last of these items, if there was any: the one that it was given up for.
    """

    bad_input: int
    refused: bool
    last_bad: BadInput | None = None


class Feeder:
    """Parses chunks and publishes their messages in batches.

    Args:
        sink: the publisher.
        parser: of the format of the input.
        batch_bytes_max: bytes of the messages in one batch; a larger message is its own batch.
        on_bad_input: told of each item that is not a message.
        strict: the first bad item ends the intake; what came before it is published.
    """

    def __init__(
        self,
        sink: Sink,
        parser: Parser,
        *,
        batch_bytes_max: int,
        on_bad_input: Callable[[BadInput], None],
        strict: bool = False,
    ) -> None:
        self.bad_input = 0
        self._last_bad: BadInput | None = None
        self._sink = sink
        self._parser = parser
        self._batch_bytes_max = batch_bytes_max
        self._on_bad_input = on_bad_input
        self._strict = strict

    def run(self, chunks: Iterable[bytes], *, is_whole: Callable[[], bool]) -> Intake:
        """Publishes all of `chunks`; `is_whole` tells whether the input came to its end."""
        for chunk in chunks:
            if not self._take(self._parser.feed(chunk)):
                return Intake(self.bad_input, True, self._last_bad)
        # A line cut off by a signal is half a line: to publish it would be to make one up.
        if is_whole() and not self._take(self._parser.finish()):
            return Intake(self.bad_input, True, self._last_bad)
        return Intake(self.bad_input, False, self._last_bad)

    def _take(self, parsed: Sequence[Parsed]) -> bool:
        messages: list[Frames] = []
        for item in parsed:
            if not isinstance(item, BadInput):
                messages.append(item)
                continue
            self.bad_input += 1
            self._last_bad = item
            self._on_bad_input(item)
            if self._strict:
                self._publish(messages)
                return False
        self._publish(messages)
        return not self._parser.lost

    def _publish(self, messages: Sequence[Frames]) -> None:
        for batch_messages in batches(messages, self._batch_bytes_max):
            with self._sink.batch() as batch:
                for message in batch_messages:
                    if len(message) == 2:  # nearly all, and sooner done
                        batch.publish(*message)
                    else:
                        batch.send_multipart(message)


def batches(messages: Sequence[Frames], bytes_max: int) -> Iterator[Sequence[Frames]]:
    """Yields `messages` in order, cut so that a batch has at most `bytes_max` bytes.

    A batch has at most `BATCH_MESSAGES_MAX` messages; one message may exceed `bytes_max` alone.
    """
    start = 0
    size = 0
    for index, message in enumerate(messages):
        message_bytes = size_of(message)
        full = size + message_bytes > bytes_max or index - start == BATCH_MESSAGES_MAX
        if full and index > start:
            yield messages[start:index]
            start = index
            size = 0
        size += message_bytes
    if start < len(messages):
        yield messages[start:]
