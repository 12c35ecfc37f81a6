"""`serve` as a whole, with a publisher that keeps what it is given."""

from __future__ import annotations

import io
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from fanout.cli import stopping
from fanout.cli.arguments import UsageError
from fanout.cli.main import build_parser
from fanout.cli.serve.arguments import publisher_options
from fanout.cli.serve.command import serve
from fanout.cli.serve.screen import PlainScreen
from fanout.cli.serve.securing import in_options
from fanout.errors import BindError, ClosedError, ConfigError
from fanout.events import Event, EventKind
from fanout.security.curve import Curve
from fanout.security.endpoints import Plain
from fanout.security.passwords import hash_password
from fanout.security.tls import Tls
from fanout.statistics import Undelivered
from tests.helpers.certificates import SERVER, SERVER_KEY
from tests.helpers.fake_publisher import FakePublisher
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Serving:
    """The command with its input in our hands.

    Attributes:
        publisher: what it published to.
        options: what the publisher was opened with.
    """

    def __init__(self, *arguments: str) -> None:
        self.publisher = FakePublisher()
        self.options: dict[str, Any] = {}
        self.events: list[Event] = []
        self._read_fd, self._write_fd = os.pipe()
        self._output = io.StringIO()
        self._arguments = build_parser().parse_args(
            ["serve", "--bind", "tcp://127.0.0.1:5556", *arguments]
        )

    @property
    def lines(self) -> list[str]:
        return self._output.getvalue().splitlines()

    def write(self, data: bytes) -> None:
        os.write(self._write_fd, data)

    def end_input(self) -> None:
        os.close(self._write_fd)
        self._write_fd = -1

    def run(self) -> int:
        screen = PlainScreen(self._output, live=False)
        return serve(self._arguments, self._open, lambda: screen, self._read_fd)

    def close(self) -> None:
        os.close(self._read_fd)
        if self._write_fd >= 0:
            os.close(self._write_fd)

    def _open(self, options: dict[str, Any], on_event: Callable[[Event], None]) -> FakePublisher:
        self.options = options
        for event in self.events:
            on_event(event)
        return self.publisher


@pytest.fixture
def start() -> Any:
    started: list[Serving] = []

    def start(*arguments: str) -> Serving:
        started.append(Serving(*arguments))
        return started[-1]

    yield start
    for serving in started:
        serving.close()


def signal_when(event: threading.Event, *numbers: signal.Signals) -> threading.Thread:
    """Sends signals to this process once `event` is set."""

    def send() -> None:
        assert event.wait(DEADLINE_S)
        for number in numbers:
            signal.pthread_kill(threading.main_thread().ident or 0, number)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def test_the_end_of_the_input_is_a_clean_end(start: Callable[..., Serving]) -> None:
    serving = start("--workers", "2", "--log-bytes", "1M")
    serving.write(b"a\t1\nb\t2\n")
    serving.end_input()
    assert serving.run() == 0
    assert serving.options == {"workers": 2, "log_bytes": 1024**2}
    assert serving.publisher.messages == [(b"a", b"1"), (b"b", b"2")]
    assert serving.publisher.calls == ["drain", "close", "stop"]
    assert serving.lines[0] == "publishing on tcp://127.0.0.1:5556"
    assert serving.lines[-1].startswith("published 2 messages (0 B) in ")


def test_several_endpoints_are_bound(start: Callable[..., Serving]) -> None:
    serving = start("--bind", "ipc://@feed")
    serving.end_input()
    assert serving.run() == 0
    assert serving.publisher.endpoints == ("tcp://127.0.0.1:5556", "ipc://@feed")


def test_bad_lines_are_named_and_no_failure(start: Callable[..., Serving]) -> None:
    serving = start()
    serving.write(b"a\t1\noops\nb\t2\n")
    serving.end_input()
    assert serving.run() == 0
    assert "line 2: no TAB between topic and payload" in serving.lines
    assert serving.lines[-1].endswith(", 1 bad input line")


def test_a_flood_of_bad_lines_is_summed_up(start: Callable[..., Serving]) -> None:
    serving = start()
    serving.write(b"oops\n" * 1000)
    serving.end_input()
    assert serving.run() == 1, "nothing was a message"
    assert "and 990 more bad input lines" in serving.lines
    assert "--topic NAME takes whole lines" in serving.lines[-1]
    assert len(serving.lines) < 20


def test_strict_fails_at_the_first_bad_line(start: Callable[..., Serving]) -> None:
    serving = start("--strict")
    serving.write(b"a\t1\noops\nb\t2\n")
    assert serving.run() == 1
    assert serving.publisher.messages == [(b"a", b"1")]
    assert "drain" in serving.publisher.calls


def test_msgpack_that_is_lost_fails(start: Callable[..., Serving]) -> None:
    serving = start("--format", "msgpack")
    serving.write(b"\x92\xa1a\xa11\xc1")
    assert serving.run() == 1
    assert serving.publisher.messages == [(b"a", b"1")]
    assert "item 2: not msgpack; the rest of the input is unreadable" in serving.lines


def test_what_the_input_was_given_up_for_is_said_however_much_else_was_bad(
    start: Callable[..., Serving],
) -> None:
    serving = start("--format", "msgpack")
    serving.write(b"\x01" * 50 + b"\xc1")
    assert serving.run() == 1
    assert "item 51: not msgpack" not in "".join(serving.lines)
    given_up = "the input was given up: not msgpack; the rest of the input is unreadable"
    assert serving.lines[-1] == given_up


@pytest.mark.parametrize(("policy", "status"), [("drop_oldest", 0), ("block", 1)])
def test_what_was_not_delivered_is_told_and_fails_if_lossless_was_asked_for(
    start: Callable[..., Serving], policy: str, status: int
) -> None:
    serving = start("--slow-policy", policy)
    serving.publisher.undelivered = (Undelivered(1, "10.0.0.1:7", 3, 2048),)
    serving.end_input()
    assert serving.run() == status
    assert "not delivered to 10.0.0.1:7: 3 messages queued, 2.0 KiB unacknowledged" in serving.lines


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_drains(start: Callable[..., Serving], number: signal.Signals) -> None:
    serving = start()
    serving.write(b"a\t1\nhalf")
    sender = signal_when(serving.publisher.committed, number)
    assert serving.run() == 0
    sender.join()
    assert serving.publisher.messages == [(b"a", b"1")]
    assert serving.publisher.calls == ["drain", "close", "stop"]


def test_two_signals_at_once_are_one_and_drain(
    start: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    """GNU timeout signals its child, and then the group that the child is in."""
    monkeypatch.setattr(stopping, "REPEAT_S", DEADLINE_S)  # the machine may be slow
    serving = start()
    serving.write(b"a\t1\n")
    sender = signal_when(serving.publisher.committed, signal.SIGTERM, signal.SIGTERM)
    assert serving.run() == 0
    sender.join()
    assert serving.publisher.calls == ["drain", "close", "stop"]


def test_a_second_signal_ends_at_once(
    start: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "REPEAT_S", 0.0)
    serving = start("--drain-timeout", "60")
    publisher = serving.publisher
    draining = threading.Event()
    stopped = threading.Event()

    def drain(timeout: float | None = None) -> tuple[Undelivered, ...]:
        draining.set()
        assert stopped.wait(DEADLINE_S)
        raise ClosedError

    def stop() -> None:
        stopped.set()

    publisher.drain = drain  # type: ignore[method-assign]
    publisher.stop = stop  # type: ignore[method-assign]
    serving.write(b"a\t1\n")
    first = signal_when(publisher.committed, signal.SIGINT)
    second = signal_when(draining, signal.SIGTERM)
    assert serving.run() == 1
    first.join()
    second.join()
    assert serving.lines[-1].startswith("stopped at once by a second signal")


def test_signals_are_given_back(start: Callable[..., Serving]) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    serving = start()
    serving.end_input()
    serving.run()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_wait_for_reads_nothing_before_the_subscribers_are_there(
    start: Callable[..., Serving],
) -> None:
    serving = start("--wait-for", "2")
    publisher = serving.publisher
    found: list[int] = []

    def wait(count: int, topic: bytes | None = None, timeout: float | None = None) -> None:
        assert publisher.commits == []
        found.append(count)
        if len(found) < 3:
            raise TimeoutError

    publisher.wait_for_subscribers = wait  # type: ignore[method-assign]
    serving.write(b"a\t1\n")
    serving.end_input()
    assert serving.run() == 0
    assert found == [2, 2, 2]
    assert publisher.messages == [(b"a", b"1")]
    assert serving.lines[1:3] == [
        "waiting for 2 subscribers; nothing is read before (--wait-for)",
        "the subscribers are there",
    ]


def test_the_end_of_the_input_is_a_failure_if_it_is_said_so(start: Callable[..., Serving]) -> None:
    serving = start("--eof-is-failure")
    serving.write(b"a\t1\nb\t2")
    serving.end_input()
    assert serving.run() == 1
    assert serving.publisher.messages == [(b"a", b"1"), (b"b", b"2")]
    assert serving.publisher.calls == ["drain", "close", "stop"]
    assert serving.lines[-1] == "the input ended, which --eof-is-failure takes for a failure"


def test_a_signal_is_no_end_of_the_input(start: Callable[..., Serving]) -> None:
    serving = start("--eof-is-failure")
    serving.write(b"a\t1\n")
    sender = signal_when(serving.publisher.committed, signal.SIGTERM)
    assert serving.run() == 0
    sender.join()


def test_endpoints_ask_for_passwords_if_they_are_to(
    start: Callable[..., Serving], tmp_path: Path
) -> None:
    file = tmp_path / "passwords"
    file.write_text(f"desk7:{hash_password('geheim')}\n")
    serving = start("--bind", "tcp://127.0.0.1:5557", "--plain-passwords", str(file))
    serving.end_input()
    assert serving.run() == 0
    first, second = serving.publisher.securities
    assert first is second
    assert repr(first) == "Plain(<Passwords of 1 users>, on_network=False)"
    serving = start()
    serving.end_input()
    serving.run()
    assert serving.publisher.securities == [None]


def test_endpoints_encrypt_if_they_are_to(start: Callable[..., Serving], tmp_path: Path) -> None:
    file, before = tmp_path / "key", tmp_path / "before"
    file.write_text("0" * 40)
    before.write_text("00001" * 8)
    keys = "--curve-secret-key-file", str(file), "--curve-previous-key-file", str(before)
    serving = start("--bind", "tcp://127.0.0.1:5557", *keys)
    serving.end_input()
    assert serving.run() == 0
    first, second = serving.publisher.securities
    assert first is second
    assert isinstance(first, Curve)
    assert first.secrets() == [bytes(32), b"\0\0\0\1" * 8]


def test_passwords_that_cannot_be_used_stop_it_before_it_starts(
    start: Callable[..., Serving], tmp_path: Path
) -> None:
    for arguments, error, text in (
        (["--plain-on-network"], UsageError, "goes with --plain-passwords"),
        (["--plain-passwords", str(tmp_path / "none")], ConfigError, "No such file"),
        (["--curve-previous-key-file", "x"], UsageError, "goes with --curve-secret-key-file"),
        (["--curve-secret-key-file", str(tmp_path / "none")], ConfigError, "No such file"),
        (["--curve-secret-key-file", "x", "--plain-passwords", "x"], UsageError, "one mechanism"),
    ):
        serving = start(*arguments)
        with pytest.raises(error, match=text):
            serving.run()
        assert serving.publisher.endpoints == ()


def test_advice_is_in_words_of_the_command_line() -> None:
    plain = Plain(lambda _: True)
    with pytest.raises(ConfigError, match=r", or say --plain-on-network if"), in_options():
        plain.check_place("tcp://*:5556", is_local=False)


def test_producers_may_publish_on_some_topics(start: Callable[..., Serving]) -> None:
    topics = ("--allowed-topics", "EUR", "--allowed-topics", "GBP")
    serving = start("--ingest", "tcp://127.0.0.1:*", "--eof-is-failure", *topics)
    serving.end_input()
    serving.run()
    assert serving.publisher.allowed == [b"EUR", b"GBP"]
    with pytest.raises(UsageError, match="goes with --ingest"):
        start(*topics).run()


def test_how_many_may_connect_is_for_those_whom_it_concerns(start: Callable[..., Serving]) -> None:
    others = ("--ingest", "ipc://@in", "--answer", "ipc://@ask", "--eof-is-failure")
    limits = ("--max-producers", "9", "--max-connections-per-address", "8")
    serving = start(*others, *limits, "--max-half-open-per-address", "7", "--max-subscribers", "6")
    serving.end_input()
    serving.run()
    both = {"max_connections_per_address": 8, "max_half_open_per_address": 7}
    assert serving.publisher.places == {
        "ipc://@in": {"max_producers": 9, **both},
        "ipc://@ask": both,
    }
    assert serving.options == {"max_subscribers": 6, "max_half_open_per_address": 7}


def test_tls_is_for_the_endpoints_that_have_it(
    start: Callable[..., Serving], tmp_path: Path
) -> None:
    both = tmp_path / "both.pem"
    both.touch(0o600)
    both.write_bytes(SERVER + SERVER_KEY)
    serving = start("--bind", "tls://127.0.0.1:*", "--tls-certificate", str(both))
    serving.end_input()
    serving.run()
    (first, none), (second, tls) = serving.publisher.encrypted
    assert (first.partition(":")[0], none) == ("tcp", None)
    assert second == "tls://127.0.0.1:*"
    assert isinstance(tls, Tls)


def test_an_endpoint_in_use_stops_the_publisher(start: Callable[..., Serving]) -> None:
    serving = start()

    def bind(endpoint: str, *, security: object = None, tls: object = None) -> str:
        raise BindError(endpoint, "address in use")

    serving.publisher.bind = bind  # type: ignore[method-assign]
    with pytest.raises(BindError):
        serving.run()
    assert serving.publisher.calls == ["stop"]


def test_events_about_slow_subscribers_are_told(start: Callable[..., Serving]) -> None:
    serving = start()
    serving.events = [
        Event(EventKind.SUBSCRIBER_CONNECTED, subscriber=1, peer="10.0.0.1:7"),
        Event(EventKind.SUBSCRIBER_SLOW, "lag", subscriber=1, peer="10.0.0.1:7"),
    ]
    serving.end_input()
    assert serving.run() == 0
    assert "subscriber slow 10.0.0.1:7: lag" in serving.lines
    assert not any("connected" in line for line in serving.lines)


def test_only_given_options_go_to_the_publisher() -> None:
    line = ["serve", "--bind", "tcp://*:5556", "--workers", "2", "--log-bytes", "1M"]
    assert publisher_options(build_parser().parse_args(line)) == {
        "workers": 2,
        "log_bytes": 1024**2,
    }
