"""`fanout serve`: publishes what comes on standard input."""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import select
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from fanout.cli import arguments as args
from fanout.cli.serve.arguments import (
    DESCRIPTION,
    EPILOG,
    add_arguments,
    publisher_options,
)
from fanout.cli.serve.formats import Parser, make_parser
from fanout.cli.serve.intake import Feeder, InputChunks, InputError, Intake, OpenBatch
from fanout.cli.serve.lines import Figures, summary_line, undelivered_lines
from fanout.cli.serve.places import askers_of, producers_of
from fanout.cli.serve.screen import Screen, open_screen
from fanout.cli.serve.screen_writer import ScreenWriter
from fanout.cli.serve.securing import in_options, security_of, tls_for, tls_of
from fanout.cli.stopping import Stopper
from fanout.cli.units import plural
from fanout.errors import FanoutError
from fanout.events import Event
from fanout.options import Options
from fanout.transport.endpoints import parse_endpoint

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from fanout.auth import Security, Tls
    from fanout.statistics import PublisherStatistics, SubscriberStatistics, Undelivered

DESCRIPTORS_MAX = 1_048_576
"""The soft limit on descriptors is not raised above this: some systems have a hard limit of a
billion, and programs that walk through all possible descriptors then take minutes."""

FRAMING_BYTES = 64
"""What the wire adds to topic and payload, generously: two frame headers are 18 bytes."""

WAIT_STEP_S = 0.1
"""How long `--wait-for` may overlook a signal."""

LOOK_EACH_MS = 500  # for producers alone: how late it may be seen that all workers are lost

REPORT_INTERVAL_TERMINAL_S = 1.0
REPORT_INTERVAL_PLAIN_S = 10.0


class ServedPublisher(Protocol):
    """The publisher, as far as `serve` uses it."""

    @property
    def endpoints(self) -> tuple[str, ...]: ...
    def bind(
        self, endpoint: str, *, security: Security | None = None, tls: Tls | None = None
    ) -> object: ...
    def ingest(
        self,
        endpoint: str,
        *,
        allowed_topics: Sequence[bytes] | None = None,
        max_producers: int = ...,
        max_connections_per_address: int = ...,
        max_half_open_per_address: int = ...,
        max_connects_per_address: float = ...,
    ) -> str: ...
    def answer(
        self,
        endpoint: str,
        *,
        max_askers: int = ...,
        max_connections_per_address: int = ...,
        max_half_open_per_address: int = ...,
        max_connects_per_address: float = ...,
    ) -> str: ...
    def batch(self) -> AbstractContextManager[OpenBatch]: ...
    def statistics(self) -> PublisherStatistics: ...
    def subscribers(self) -> tuple[SubscriberStatistics, ...]: ...
    def wait_for_subscribers(
        self, count: int, *, topic: bytes | None = None, timeout: float | None = None
    ) -> object: ...
    def drain(self, timeout: float) -> Sequence[Undelivered]: ...
    def close(self, timeout: float) -> Sequence[Undelivered]: ...
    def stop(self) -> object: ...


OpenPublisher = Callable[[dict[str, Any], Callable[[Event], None]], ServedPublisher]
"""Makes a publisher of its options and its event callback."""


def add_parser(subparsers: _SubParsersAction[args.ArgumentParser]) -> None:
    """Adds the subcommand to the parser of the command line."""
    parser = subparsers.add_parser(
        "serve",
        help="publish what comes on standard input",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs the subcommand; returns its exit status.

    Raises:
        UsageError: standard input is closed; nothing was started.
    """
    if sys.stdin is None:
        raise args.UsageError("standard input is closed; to publish nothing, give it /dev/null")
    return serve(arguments, _open_publisher, open_screen)


def serve(
    arguments: argparse.Namespace,
    open_publisher: OpenPublisher,
    open_screen: Callable[[], Screen],
    input_fd: int = 0,
) -> int:
    """Publishes what comes from `input_fd`; returns the exit status.

    For the main thread of a process of its own: takes SIGINT and SIGTERM over and raises the soft
    limit on descriptors.

    Raises:
        ConfigError: an option cannot work; nothing was started.
        UsageError: arguments that do not go together; nothing was started.
        FanoutError: the publisher could not start or bind, or lost all its workers.
    """
    if arguments.allowed_topics and not arguments.ingest:
        raise args.UsageError("--allowed-topics goes with --ingest ENDPOINT")
    given = publisher_options(arguments)
    options = Options(**given)
    terms = _Terms(
        *(security_of(arguments), tls_of(arguments)),
        *(producers_of(arguments), askers_of(arguments)),
    )
    for endpoint in arguments.bind:
        parse_endpoint(endpoint, may_encrypt=True)  # a wrong one is refused before all else
    for endpoint in (*arguments.ingest, *arguments.answer):
        parse_endpoint(endpoint)
    parser = _parser(arguments, options.max_message_bytes - FRAMING_BYTES)
    _raise_descriptor_limit()
    screen = open_screen()  # it may hide the cursor: from here on it must be closed
    writer = ScreenWriter(screen, interval_s=_interval(arguments), unit=parser.unit)
    publisher: ServedPublisher | None = None

    def stop() -> None:
        if publisher is not None:
            publisher.stop()

    with contextlib.closing(screen), Stopper(stop) as stopper:
        try:
            publisher = open_publisher(given, writer.event)
            run = _Run(publisher, options, parser, writer, screen, stopper, strict=arguments.strict)
            status = run.whole(arguments, terms, input_fd)
        except FanoutError:
            if not stopper.is_at_once:
                raise
        finally:
            stop()  # does nothing after close()
        if stopper.is_at_once:
            screen.line("stopped at once by a second signal; not everything may be delivered")
            return args.FAILURE
        return status


class _Terms(NamedTuple):
    """On which terms endpoints serve: what subscribers are asked, how many others may come."""

    security: Security | None
    tls: Tls | None
    producers: dict[str, Any]
    askers: dict[str, Any]


class _Run:
    """One run, from bind to close; lives as long as its publisher."""

    def __init__(
        self,
        publisher: ServedPublisher,
        options: Options,
        parser: Parser,
        writer: ScreenWriter,
        screen: Screen,
        stopper: Stopper,
        *,
        strict: bool,
    ) -> None:
        self._publisher = publisher
        self._options = options
        self._parser = parser
        self._writer = writer
        self._screen = screen
        self._stopper = stopper
        self._began = time.monotonic()
        self._feeder = Feeder(
            publisher,
            parser,
            batch_bytes_max=options.max_message_bytes // 2,
            on_bad_input=writer.bad_input,
            strict=strict,
        )

    def whole(self, arguments: argparse.Namespace, terms: _Terms, input_fd: int) -> int:
        """Binds, publishes, drains and closes; returns the exit status."""
        for endpoint in arguments.bind:
            with in_options():
                tls = tls_for(endpoint, terms.tls)
                self._publisher.bind(endpoint, security=terms.security, tls=tls)
        for endpoint in self._publisher.endpoints:
            self._screen.line(f"publishing on {endpoint}")
        self._writer.start(self._figures)
        try:
            for endpoint in arguments.answer:
                bound = self._publisher.answer(endpoint, **terms.askers)
                self._writer.note(f"answering on {bound}")
            self._wait_for_subscribers(arguments.wait_for)
            for endpoint in arguments.ingest:
                allowed = [os.fsencode(topic) for topic in arguments.allowed_topics] or None
                bound = self._publisher.ingest(endpoint, allowed_topics=allowed, **terms.producers)
                self._writer.note(f"taking messages on {bound}")
            failure, intake = self._publish(input_fd)
            if arguments.ingest and failure is None and not arguments.eof_is_failure:
                self._wait_for_signal()
            if self._stopper.requested:
                self._writer.note("draining; a second signal ends at once")
            undelivered = self._publisher.drain(self._options.drain_timeout)
        finally:
            self._writer.stop()
        last = self._figures()
        self._publisher.close(timeout=0)  # what was drained is with the kernel, which delivers it
        self._tell_end(last, undelivered)
        if intake.refused and intake.last_bad is not None:
            # Said here as well: it may have been one of very many, which are not all shown.
            failure = failure or f"the input was given up: {intake.last_bad.reason}"
        # Asked only now: who stops a whole group may end the feeding process before it signals us.
        elif arguments.eof_is_failure and not self._stopper.requested:
            failure = "the input ended, which --eof-is-failure takes for a failure"
        if failure is None and intake.bad_input and not last.statistics.published:
            failure = f"nothing was published: no {self._parser.unit} of the input was a message"
            if arguments.format == "lines":
                failure += "; --topic NAME takes whole lines"
        if failure is not None:
            self._screen.line(failure)
        lossy = bool(undelivered) and self._options.policy.action == "block"
        return args.FAILURE if failure is not None or lossy else args.OK

    def _wait_for_subscribers(self, wanted: int) -> None:
        if wanted:
            subscribers = plural(wanted, "subscriber")
            self._writer.note(f"waiting for {subscribers}; nothing is read before (--wait-for)")
        while wanted and not self._stopper.requested:
            try:
                self._publisher.wait_for_subscribers(wanted, timeout=WAIT_STEP_S)
            except TimeoutError:
                continue
            self._writer.note("the subscribers are there")
            return

    def _wait_for_signal(self) -> None:
        """Let producers publish, until a signal comes.

        Raises:
            BrokenError: every worker is lost.
        """
        poll = select.poll()
        poll.register(self._stopper.wake_fd, select.POLLIN)
        while not self._stopper.requested and not poll.poll(LOOK_EACH_MS):
            self._publisher.wait_for_subscribers(0, timeout=0)  # raises if all are lost

    def _publish(self, input_fd: int) -> tuple[str | None, Intake]:
        chunks = InputChunks(input_fd, self._stopper.wake_fd)
        try:
            return None, self._feeder.run(chunks, is_whole=lambda: chunks.at_end)
        except InputError as error:
            return str(error), Intake(self._feeder.bad_input, refused=True)

    def _figures(self) -> Figures:
        return Figures(
            now=time.monotonic(),
            statistics=self._publisher.statistics(),
            subscribers=self._publisher.subscribers(),
            bad_input=self._feeder.bad_input,
        )

    def _tell_end(self, last: Figures, undelivered: Sequence[Undelivered]) -> None:
        for line in undelivered_lines(undelivered):
            self._screen.line(line)
        self._screen.line(summary_line(last, last.now - self._began, self._parser.unit))


def _parser(arguments: argparse.Namespace, item_bytes_max: int) -> Parser:
    """Of the format that was asked for.

    Raises:
        UsageError: arguments that do not go together.
    """
    try:
        return make_parser(
            arguments.format,
            topic_key=arguments.topic_key,
            topic=None if arguments.topic is None else os.fsencode(arguments.topic),
            item_bytes_max=item_bytes_max,
        )
    except ValueError as error:
        raise args.UsageError(str(error)) from None


def _interval(arguments: argparse.Namespace) -> float:
    if arguments.report_interval is not None:
        return float(arguments.report_interval)
    return REPORT_INTERVAL_TERMINAL_S if sys.stderr.isatty() else REPORT_INTERVAL_PLAIN_S


def _raise_descriptor_limit() -> None:
    # The library does not touch the limits of its user's process; this process is our own.
    with contextlib.suppress(OSError, ValueError):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_MAX)
        if soft == resource.RLIM_INFINITY or soft >= wanted:
            return
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _open_publisher(options: dict[str, Any], on_event: Callable[[Event], None]) -> ServedPublisher:
    from fanout.publisher import Publisher  # not needed for --help, nor by the tests

    return Publisher(**options, on_event=on_event)
