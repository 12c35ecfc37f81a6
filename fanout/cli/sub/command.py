"""`fanout sub`: prints what arrives from a publisher."""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from typing import TYPE_CHECKING, BinaryIO

from fanout.cli import arguments as args
from fanout.cli.sub.gaps import GapNotes
from fanout.cli.sub.latencies import Latencies
from fanout.cli.sub.rates import Rates
from fanout.cli.sub.rendering import FORMATS, READERS, as_json_message, as_raw
from fanout.cli.sub.securing import add_security, in_options, in_words, security_of, tls_of
from fanout.errors import ConfigError
from fanout.subscriber.backoff import BackOff
from fanout.subscriber.link import Link
from fanout.subscriber.settings import endpoint_of, mechanisms_of, wrappings_of
from fanout.subscriber.since import since_of
from fanout.terms.arguments import shown

if TYPE_CHECKING:
    from argparse import _SubParsersAction
    from collections.abc import Callable

    from fanout.subscriber.message import Message
    from fanout.subscriber.since import Position

DESCRIPTION = """\
Prints what a ZeroMQ publisher sends, one message a line. Connects again when the connection is
lost; a publisher of fanout's that numbers its messages then sends what was published meanwhile."""

EPILOG = """\
formats:
  text          the frames with TABs between them, control characters escaped
  hex           the frames in hexadecimal with TABs between them
  msgpack       a msgpack array of the frames, which `fanout serve --format msgpack` reads back
  json          the payload is JSON; prints {"topic": ..., "payload": ...}
  msgpack-json  the payload is msgpack; prints {"topic": ..., "payload": ...}

With --json each line has also what is known of the message: kind ("live", "replayed" or "last"),
epoch and sequence number, and gap, what is missing before it. With --rate the lines are rates,
in JSON. --latency FIELD adds how long after the time in FIELD of its payload a message has come:
FIELD is a key of a JSON object (or of msgpack, with --format msgpack-json), "a.b" is b in a, and
"." is the whole payload; the time is in seconds, ms, us or ns since 1970.

exit status:
  0  ended as asked: --count reached, --timeout over, the publisher gone (--until-eof), a signal, or
     nobody reads the output any more
  1  failure: --count not reached, never connected within --timeout, or with --until-eof the
     publisher broke the protocol
  2  an argument that cannot work, or a closed standard output"""


def add_parser(subparsers: _SubParsersAction[args.ArgumentParser]) -> None:
    """Adds the subcommand to the parser of the command line."""
    parser = subparsers.add_parser(
        "sub",
        help="print what arrives from a publisher",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("endpoint", metavar="ENDPOINT", help="tcp://host:port, tls://host:port or ipc://path")
    add(
        "topics",
        metavar="TOPIC",
        nargs="*",
        default=[],
        help="prefix of the topics to subscribe to (default: everything)",
    )
    _add_looks(parser)
    parser.signed.add("--since")
    add(
        "--since",
        metavar="SINCE",
        help="begin with what was published before: in the last 10s, the last 1000 messages, or "
        "what came after message EPOCH:SEQUENCE",
    )
    add(
        "--last",
        action="store_true",
        help="begin with the last message of each topic, if the publisher keeps them",
    )
    add("--count", type=args.positive_count, metavar="N", help="end after N messages")
    add("--timeout", type=args.seconds, metavar="S", help="end after S seconds")
    add(
        "--until-eof",
        action="store_true",
        help="end when the connection does, instead of connecting again",
    )
    add_security(parser)
    parser.set_defaults(run=run)


def _add_looks(parser: args.ArgumentParser) -> None:
    """How messages are shown."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--format",
        choices=tuple(FORMATS),
        help="see below (default: text; json with --json)",
    )
    form.add_argument(
        "--raw", action="store_true", help="print payloads as they are, with nothing between them"
    )
    parser.add_argument(
        "--json", action="store_true", help="all that is known of each message, as a line of JSON"
    )
    parser.add_argument(
        "--rate", action="store_true", help="print how many come in each second, and no messages"
    )
    parser.add_argument(
        "--latency",
        metavar="FIELD",
        help="with --rate or --json: how old messages are by the time in FIELD of their payloads",
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs the subcommand; returns its exit status.

    Raises:
        ConfigError: the endpoint cannot work.
        UsageError: standard output is closed, or options exclude each other.
    """
    if sys.stdout is None:
        raise args.UsageError("standard output is closed")
    latencies = _latencies_of(arguments)
    if arguments.rate and arguments.raw:
        raise args.UsageError(
            "--raw prints payloads, and --rate prints none: leave out one of them"
        )
    render = _render_of(arguments, latencies)
    target = endpoint_of(arguments.endpoint, may_encrypt=True)
    with in_options():
        there = [arguments.endpoint], [target]
        [mechanism] = mechanisms_of(security_of(arguments), *there)
        [wrapping] = wrappings_of(tls_of(arguments), *there)
    since = _since(arguments.since)
    timeout: float | None = arguments.timeout
    output = sys.stdout.buffer

    def note(text: str) -> None:
        args.complain("fanout sub", f"{arguments.endpoint}: {in_words(text)}")

    rates = None
    if arguments.rate:
        rates = Rates(time.monotonic(), as_json=arguments.json, latencies=latencies)
    printer = Printer(output, render, note, rates, latencies)
    link = Link(
        target,
        [os.fsencode(topic) for topic in arguments.topics] or [b""],
        back_off=BackOff(random.random),
        output_fd=output.fileno(),
        wake_fd=_end_on_signals(printer),
        deadline=None if timeout is None else time.monotonic() + timeout,
        on_note=note,
        since=since,
        last=arguments.last,
        once=arguments.until_eof,
        mechanism=mechanism,
        wrapping=wrapping,
    )
    try:
        printer.print_all(link, arguments.count)
    except KeyboardInterrupt:
        pass  # a signal is how this command normally ends
    except BrokenPipeError:
        # Python flushes standard output once more at exit, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
    return _status(arguments, link, printer)


class Printer:
    """Writes messages, flushed after each read.

    Attributes:
        printed: messages written so far, or counted.

    Args:
        rates: counts them instead; None = they are written.
        latencies: told when messages come.
    """

    def __init__(
        self,
        output: BinaryIO,
        render: Callable[[Message], bytes],
        on_note: Callable[[str], None],
        rates: Rates | None = None,
        latencies: Latencies | None = None,
    ) -> None:
        self._rates = rates
        self._latencies = latencies
        self._gaps = GapNotes(on_note)
        self.printed = 0
        self._output = output
        self._render = render
        self._is_writing = False
        self._is_interrupted = False

    def print_all(self, link: Link, count_max: int | None) -> None:
        """Prints what arrives until `link` ends or `count_max` messages were printed.

        Raises:
            BrokenPipeError: nobody reads the output any more.
            KeyboardInterrupt: `interrupt()` was called.
        """
        link.wake_at = self._due
        try:
            self._print_batches(link, count_max)
            if self._rates is not None:
                self._write(self._rates.line(time.monotonic()))
        finally:
            self._gaps.flush()

    def _print_batches(self, link: Link, count_max: int | None) -> None:
        for messages in link.batches():
            wanted = messages if count_max is None else messages[: count_max - self.printed]
            self._take(wanted, time.monotonic())
            link.wake_at = self._due
            if self.printed == count_max:
                break

    def _take(self, wanted: list[Message], now: float) -> None:
        if self._latencies is not None:
            self._latencies.now = time.time()
        self._gaps.take(wanted, now)
        rates = self._rates
        if rates is not None:
            rates.take(wanted)
            if now >= rates.due:
                self._write(rates.line(now))
        elif wanted:
            self._write(b"".join(map(self._render, wanted)))
        self.printed += len(wanted)

    @property
    def _due(self) -> float | None:
        times = (self._gaps.due, None if self._rates is None else self._rates.due)
        return min((one for one in times if one is not None), default=None)

    def interrupt(self) -> None:
        """Ends a write to an output that nobody takes from, now or later; from a signal handler.

        Raises:
            KeyboardInterrupt: a write is under way.
        """
        self._is_interrupted = True
        if self._is_writing:
            raise KeyboardInterrupt

    def _write(self, data: bytes) -> None:
        self._is_writing = True
        try:
            if self._is_interrupted:
                raise KeyboardInterrupt
            self._output.write(data)
            self._output.flush()
        finally:
            self._is_writing = False


def _latencies_of(arguments: argparse.Namespace) -> Latencies | None:
    """What looks at latencies; None: nobody asks for them.

    Raises:
        UsageError: they would not be shown, or the payloads are not read.
    """
    field: str | None = arguments.latency
    if field is None:
        return None
    if not arguments.rate and not arguments.json:
        raise args.UsageError("--latency is shown with --rate or --json")
    name = arguments.format or "json"
    if arguments.raw or name not in READERS:
        raise args.UsageError("--latency reads payloads with --format json or msgpack-json")
    return Latencies(field, READERS[name])


def _render_of(
    arguments: argparse.Namespace, latencies: Latencies | None
) -> Callable[[Message], bytes]:
    """How messages are shown.

    Raises:
        UsageError: two options say different things.
    """
    name: str | None = arguments.format
    if arguments.json:
        if arguments.raw or name not in (None, *READERS):
            raise args.UsageError("--json reads payloads with --format json or msgpack-json")
        return as_json_message(READERS[name or "json"], latencies)
    render = as_raw if arguments.raw else FORMATS[name or "text"]
    return lambda message: render(message.frames)


def _since(said: str | None) -> bytes | Position:
    """What `--since` says.

    Raises:
        UsageError: it says nothing.
    """
    try:
        return since_of(said)
    except ConfigError:
        raise args.UsageError(
            "--since takes 10s (seconds), 1000 (messages) or EPOCH:SEQUENCE, of which the first "
            f"has 16 hex digits, not {shown(said)}"
        ) from None


def _end_on_signals(printer: Printer) -> int:
    """Takes SIGINT and SIGTERM over; returns a descriptor that they make readable.

    No exception is raised, unless a write waits: it could hit any line, also one inside a lock.
    """
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            continue  # a shell starts background jobs so: Ctrl-C is not meant for them
        signal.signal(number, lambda _number, _frame: printer.interrupt())
    return read_fd


def _status(arguments: argparse.Namespace, link: Link, printer: Printer) -> int:
    if arguments.count is not None and printer.printed < arguments.count:
        got = f"{printer.printed:,} of {arguments.count:,} messages"
        args.complain("fanout sub", f"{arguments.endpoint}: got {got}")
        return args.FAILURE
    if arguments.timeout is not None and not link.connections:
        args.complain("fanout sub", f"{arguments.endpoint}: never connected")
        return args.FAILURE
    if arguments.until_eof and link.violation:
        return args.FAILURE
    return args.OK
