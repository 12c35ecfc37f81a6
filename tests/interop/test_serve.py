"""`fanout serve` as a process, with stock ZeroMQ subscribers."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import zmq

from tests.helpers.command import ROOT, Command
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TCP = "tcp://127.0.0.1:*"
SMALL = ("--workers", "1", "--log-bytes", "4M")
FANOUT = f"{shlex.quote(sys.executable)} -m fanout"
SERVE = f"{FANOUT} serve {' '.join(SMALL)}"
RECIPES = re.findall(
    r"^ExecStart=(/bin/bash .*)$", (ROOT / "docs/howto/service.md").read_text("utf-8"), re.M
)


class Subscribers:
    """SUB sockets of one context, whose reads have a deadline."""

    def __init__(self) -> None:
        self._context = zmq.Context()
        self._sockets: list[zmq.Socket[bytes]] = []

    def connect(self, endpoint: str, *topics: bytes) -> zmq.Socket[bytes]:
        subscriber = self._context.socket(zmq.SUB)
        subscriber.set(zmq.RCVTIMEO, int(DEADLINE_S * 1000))
        for topic in topics or (b"",):
            subscriber.subscribe(topic)
        subscriber.connect(endpoint)
        self._sockets.append(subscriber)
        return subscriber

    def close(self) -> None:
        self._context.destroy(linger=0)


@pytest.fixture
def subscribers() -> Iterator[Subscribers]:
    subscribers = Subscribers()
    yield subscribers
    subscribers.close()


def endpoint_of(command: Command, scheme: str = "tcp") -> str:
    prefix = f"publishing on {scheme}://"
    return command.error_line(lambda line: line.startswith(prefix)).removeprefix("publishing on ")


def receive(subscriber: zmq.Socket[bytes], count: int) -> list[tuple[bytes, ...]]:
    return [tuple(subscriber.recv_multipart()) for _ in range(count)]


def test_lines_reach_subscribers_on_both_transports(
    subscribers: Subscribers, tmp_path: Path
) -> None:
    ipc = f"ipc://{tmp_path}/feed.sock"
    with Command("serve", "--bind", TCP, "--bind", ipc, "--wait-for", "2", *SMALL) as command:
        everything = subscribers.connect(endpoint_of(command))
        some = subscribers.connect(endpoint_of(command, "ipc"), b"EUR")
        command.write(b"EURUSD\t1.1\noops\nGBPUSD\t1.3\nEURCHF\t0.9\n")
        assert receive(everything, 3) == [
            (b"EURUSD", b"1.1"),
            (b"GBPUSD", b"1.3"),
            (b"EURCHF", b"0.9"),
        ]
        assert receive(some, 2) == [(b"EURUSD", b"1.1"), (b"EURCHF", b"0.9")]
        command.end_input()
        assert command.wait() == 0
        assert "line 2: no TAB between topic and payload" in command.error_lines
        assert command.error_lines[-1].startswith("published 3 messages")


@pytest.mark.parametrize(
    ("arguments", "data", "payload"),
    [
        (
            ("ndjson", "--topic-key", "symbol"),
            json.dumps({"symbol": "a", "bid": 1}).encode() + b"\n",
            b'{"symbol": "a", "bid": 1}',
        ),
        (("msgpack",), msgpack.packb(["a", b"\x00\xff"]), b"\x00\xff"),
        (
            ("msgpack", "--topic-key", "symbol"),
            msgpack.packb({"symbol": "a"}),
            msgpack.packb({"symbol": "a"}),
        ),
    ],
)
def test_other_formats(
    subscribers: Subscribers, arguments: tuple[str, ...], data: bytes, payload: bytes
) -> None:
    format_arguments = ("--format", *arguments)
    with Command("serve", "--bind", TCP, "--wait-for", "1", *SMALL, *format_arguments) as command:
        subscriber = subscribers.connect(endpoint_of(command))
        command.write(data)
        assert receive(subscriber, 1) == [(b"a", payload)]
        command.end_input()
        assert command.wait() == 0


def test_a_large_input_arrives_whole_and_in_order(subscribers: Subscribers) -> None:
    lines = [b"t%d\t%d" % (number % 10, number) for number in range(100_000)]
    lossless = ("--slow-policy", "block", "--wait-for", "1")
    with Command("serve", "--bind", TCP, *lossless, *SMALL) as command:
        subscriber = subscribers.connect(endpoint_of(command))
        command.write(b"\n".join(lines))
        command.end_input()
        got = [b"\t".join(message) for message in receive(subscriber, len(lines))]
        assert got == lines
        assert command.wait() == 0
        assert command.error_lines[-1].startswith("published 100,000 messages")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_and_ends(subscribers: Subscribers, number: signal.Signals) -> None:
    with Command("serve", "--bind", TCP, "--wait-for", "1", *SMALL) as command:
        subscriber = subscribers.connect(endpoint_of(command))
        command.write(b"a\t1\n")
        assert receive(subscriber, 1) == [(b"a", b"1")]
        command.send_signal(number)
        assert command.wait() == 0
        assert command.error_lines[-1].startswith("published 1 message ")


def test_a_signal_while_waiting_for_subscribers_ends() -> None:
    with Command("serve", "--bind", TCP, "--wait-for", "1", *SMALL) as command:
        endpoint_of(command)
        command.send_signal(signal.SIGINT)
        assert command.wait() == 0


def test_reports_come_by_themselves() -> None:
    with Command("serve", "--bind", TCP, "--report-interval", "0.1", *SMALL) as command:
        line = command.error_line(lambda line: " | " in line)
        assert "subscribers 0" in line
        command.end_input()
        assert command.wait() == 0


def test_an_address_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with Command("serve", "--bind", endpoint, *SMALL) as command:
            assert command.wait() == 1
            assert len(command.error_lines) == 1
            assert command.error_lines[0].startswith(f"fanout serve: cannot bind {endpoint!r}")


def test_an_endpoint_that_is_none_is_a_usage_error() -> None:
    with Command("serve", "--bind", "udp://127.0.0.1:5556", *SMALL) as command:
        assert command.wait() == 2
        assert len(command.error_lines) == 1


def test_serve_and_sub_speak_with_each_other() -> None:
    with Command("serve", "--bind", TCP, "--wait-for", "1", *SMALL) as publisher:
        endpoint = endpoint_of(publisher)
        with Command("sub", endpoint, "a", "--count", "2") as subscriber:
            publisher.write(b"a\t1\nb\t2\na\t3\n")
            assert subscriber.read_line() == b"a\t1\n"
            assert subscriber.read_line() == b"a\t3\n"
            assert subscriber.wait() == 0
        publisher.end_input()
        assert publisher.wait() == 0


@pytest.mark.parametrize("is_numbered", [True, False])
def test_sub_gets_what_was_before_it_or_says_why_not(is_numbered: bool) -> None:
    options = ("--sequence-frame",) if is_numbered else ()
    with Command("serve", "--bind", TCP, "--wait-for", "1", *options, *SMALL) as publisher:
        endpoint = endpoint_of(publisher)
        with Command("sub", endpoint, "--count", "1") as first:
            publisher.write(b"a\t1\n")
            assert first.read_line() == b"a\t1\n"
        with Command("sub", endpoint, "--since", "60s", "--json", "--count", "1") as late:
            if is_numbered:
                message = json.loads(late.read_line())
                assert (message["kind"], message["payload"]) == ("replayed", 1)
            else:
                late.error_line(lambda line: "does not number its messages" in line)
        publisher.end_input()
        assert publisher.wait() == 0


# ------------------------------------------------------------------- in a shell


class Shell:
    """A command in a session of its own, so that all of it can be signalled; killed at the end."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()

    def wait_for(self, words: str) -> None:
        """Waits for a line on its standard error."""
        assert self.process.stderr is not None
        lines = iter(self.process.stderr.readline, "")
        assert any(words in line for line in lines), words

    def finish(self, input: str | None = "") -> tuple[int, str, str]:
        """Gives it its input (None = it stays open), and reads until all its processes are gone."""
        pipes = self.process
        assert pipes.stdin is not None
        assert pipes.stdout is not None
        assert pipes.stderr is not None
        if input is not None:
            with contextlib.suppress(BrokenPipeError):
                pipes.stdin.write(input)
                pipes.stdin.close()
        output, errors = pipes.stdout.read(), pipes.stderr.read()
        return self.process.wait(DEADLINE_S), output, errors


def test_a_closed_standard_input_is_a_usage_error() -> None:
    with Shell("bash", "-c", f"{SERVE} --bind {TCP} <&-") as shell:
        status, _, errors = shell.finish()
    assert status == 2
    assert errors == (
        "fanout serve: standard input is closed; to publish nothing, give it /dev/null\n"
    )


def test_without_a_standard_error_it_publishes_all_the_same(
    subscribers: Subscribers, tmp_path: Path
) -> None:
    endpoint = f"ipc://{tmp_path}/feed.sock"
    subscriber = subscribers.connect(endpoint)
    line = f"{SERVE} --bind {endpoint} --wait-for 1 --report-interval 0.1 2>&-"
    with Shell("bash", "-c", line) as shell:
        status, output, _ = shell.finish("a\t1\n")
    assert (status, output) == (0, "")
    assert receive(subscriber, 1) == [(b"a", b"1")]


def test_gnu_timeout_lets_it_drain(tmp_path: Path) -> None:
    """It passes SIGTERM on to its child, and then to the group, so that the child has it twice."""
    endpoint = f"ipc://{tmp_path}/feed.sock"
    line = f"timeout {DEADLINE_S} {SERVE} --bind {endpoint}"
    with Shell(*shlex.split(line)) as shell:
        shell.wait_for("publishing on")
        shell.process.send_signal(signal.SIGTERM)
        _, _, errors = shell.finish(None)
    assert "draining" in errors
    assert "published 0 messages" in errors
    assert "second signal; not everything" not in errors


def test_it_says_that_it_waits_for_subscribers(subscribers: Subscribers) -> None:
    with Command("serve", "--bind", TCP, "--wait-for", "1", *SMALL) as command:
        command.error_line(lambda line: line.startswith("waiting for 1 subscriber;"))
        subscribers.connect(endpoint_of(command))
        command.error_line(lambda line: line == "the subscribers are there")
        command.end_input()
        assert command.wait() == 0


def recipe(number: int, folder: Path, feed: str) -> list[str]:
    """A service of the documentation whose feed is a program of ours."""
    program = folder / "read-feed"
    program.write_text(f'#!/bin/sh\necho \'{{"symbol": "a"}}\'\n{feed}\n', encoding="utf-8")
    program.chmod(0o755)
    command = shlex.split(RECIPES[number])
    command[-1] = (
        command[-1]
        .replace("/srv/feed/venv/bin/fanout serve", SERVE)
        .replace("tcp://*:5556", f"ipc://{folder}/feed.sock")
        .replace("/srv/feed/read-feed", str(program))
    )
    return command


@pytest.mark.parametrize(("number", "status"), [(0, 1), (1, 3)])
def test_a_service_whose_feed_crashes_has_failed(number: int, status: int, tmp_path: Path) -> None:
    with Shell(*recipe(number, tmp_path, "exit 3")) as shell:
        got, _, errors = shell.finish()
    assert got == status
    assert "published 1 message " in errors


def test_a_feed_that_comes_to_a_good_end_is_a_good_end(tmp_path: Path) -> None:
    with Shell(*recipe(1, tmp_path, "exit 0")) as shell:
        assert shell.finish()[0] == 0


@pytest.mark.parametrize(("number", "status"), [(0, 0), (1, -signal.SIGTERM)])
def test_a_service_that_is_stopped_drains(number: int, status: int, tmp_path: Path) -> None:
    """systemd signals every process, and what is left of them again when the main one has ended."""
    with Shell(*recipe(number, tmp_path, "exec tail -f /dev/null")) as shell:
        shell.wait_for("publishing on")
        os.killpg(shell.process.pid, signal.SIGTERM)
        if number == 1:
            shell.process.wait(DEADLINE_S)
            os.killpg(shell.process.pid, signal.SIGTERM)
        got, _, errors = shell.finish(None)
    assert got == status
    assert "published " in errors
    assert "second signal; not everything" not in errors


def test_the_first_example_of_the_reference_can_be_pasted_into_one_terminal() -> None:
    page = (ROOT / "docs/reference/command-line.md").read_text("utf-8")
    match = re.search(r"^```sh\n(.*?)^```$", page, re.M | re.S)
    assert match
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    lines = re.sub(r"\bfanout (?=serve|sub)", f"{FANOUT} ", match[1]).replace("5556", str(port))
    with Shell("bash", "-c", lines) as shell:
        status, output, _ = shell.finish()
    assert (status, output) == (0, "EURUSD\t1.0842\n")


def test_a_feed_is_passed_on_whatever_is_in_it(subscribers: Subscribers, tmp_path: Path) -> None:
    sent = [(b"\t\n\x00", b"\xff\n\x00\t"), (b"alone",), (b"", b"", b"\n", b"four")]
    endpoint = f"ipc://{tmp_path}/relay.sock"
    subscriber = subscribers.connect(endpoint)
    lossless = ("--wait-for", "1", "--slow-policy", "block", *SMALL)
    with Command("serve", "--bind", TCP, "--format", "msgpack", *lossless) as source:
        line = (
            f"set -o pipefail; {FANOUT} sub {endpoint_of(source)} --until-eof --format msgpack"
            f" | {FANOUT} serve --bind {endpoint} --format msgpack {' '.join(lossless)}"
        )
        with Shell("bash", "-c", line) as relay:
            source.write(b"".join(map(msgpack.packb, sent)))
            source.end_input()
            assert source.wait() == 0
            assert receive(subscriber, len(sent)) == sent
            assert relay.finish()[0] == 0


def test_producers_publish_until_a_signal_comes(subscribers: Subscribers, tmp_path: Path) -> None:
    intake = f"ipc://{tmp_path}/intake"
    with Command("serve", "--bind", TCP, "--ingest", intake, "--wait-for", "1", *SMALL) as command:
        subscriber = subscribers.connect(endpoint_of(command))
        command.write(b"EURUSD\t1.1\n")
        assert receive(subscriber, 1) == [(b"EURUSD", b"1.1")]
        command.end_input()
        command.error_line(lambda line: f"taking messages on {intake}" in line)
        with zmq.Context() as context, context.socket(zmq.PUSH) as push:
            push.connect(intake)
            push.send_multipart([b"GBPUSD", b"1.3"])
            assert receive(subscriber, 1) == [(b"GBPUSD", b"1.3")]
        command.send_signal(signal.SIGTERM)
        assert command.wait() == 0


def test_questions_are_answered_while_it_runs(tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/answer"
    with Command("serve", "--bind", TCP, "--answer", endpoint, *SMALL) as command:
        command.error_line(lambda line: f"answering on {endpoint}" in line)
        command.write(b"EURUSD\t1.1\n")
        with zmq.Context() as context, context.socket(zmq.REQ) as req:
            req.set(zmq.RCVTIMEO, int(DEADLINE_S * 1000))
            req.connect(endpoint)

            def messages() -> list[dict[str, object]]:
                req.send_json({"ask": "log"})
                answer: Any = req.recv_json()
                found: list[dict[str, object]] = answer["messages"]
                return found

            wait_until(messages, "it is published")
            assert messages() == [{"sequence": 0, "frames": ["EURUSD", "1.1"]}]
        command.end_input()
        assert command.wait() == 0
