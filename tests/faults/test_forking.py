"""A publisher in the child of a fork: refused at every verb, and no harm to the parent."""

from __future__ import annotations

import os
import signal
import socket
import threading
import warnings
from functools import partial
from typing import TYPE_CHECKING

import pytest

from fanout import ForkedError, Publisher
from fanout.shm import layout as at
from tests.faults.subject import BIG, SENDS, Subject, every_step, send_batch
from tests.helpers.interrupting import Steps, untraced
from tests.helpers.programs import Program
from tests.helpers.raw import READY_SUB, command, greeting_3
from tests.helpers.waiting import DEADLINE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Every verb of a publisher.
VERBS: list[Callable[[Publisher], object]] = [
    lambda p: p.publish(b"known", b""),
    lambda p: p.publish(b"never seen", b"", timeout=1),
    lambda p: p.publish(b"known", BIG),
    lambda p: p.send(b""),
    lambda p: p.send_multipart([b"known"]),
    lambda p: p.send_string(""),
    lambda p: p.send_json({}),
    lambda p: p.send_msgpack({}, topic=b"known"),
    lambda p: send_batch(p, [[b"known", b""], [b"never seen either"]]),
    lambda p: p.bind("tcp://127.0.0.1:*"),
    lambda p: p.unbind(p.endpoints[0]),
    lambda p: p.wait_for_subscribers(1),
    lambda p: p.has_subscribers(),
    lambda p: p.subscribers(),
    lambda p: p.statistics(),
    lambda p: p.drain(),
    lambda p: p.recover(),
]


def wrong_in_child(publisher: Publisher) -> list[str]:
    """What does not behave in the child of a fork."""
    wrong = []
    for number, verb in enumerate(VERBS):
        try:
            verb(publisher)
            wrong.append(f"verb {number} did not raise")
        except ForkedError:
            continue
        except BaseException as error:
            wrong.append(f"verb {number} raised {error!r}")
    if publisher.close() != () or publisher.stop() != ():
        wrong.append("close")
    return wrong


def fork_and_look(publisher: Publisher) -> str:
    """Fork; returns what was wrong in the child, in words."""
    reading, writing = os.pipe()
    with untraced(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads, Python 3.12
        pid = os.fork()
        if pid == 0:
            try:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(int(DEADLINE_S))  # ends it if it hangs
                os.write(writing, ", ".join(wrong_in_child(publisher)).encode() or b"nothing")
            finally:
                os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    return answer


def test_forked_in_the_middle_of_a_send(subject: Subject) -> None:
    """The child is refused at every verb and does the parent no harm."""
    answers: list[str] = []

    def run(name: str, number: int) -> Steps:
        send, messages = SENDS[name]
        steps = Steps(number, lambda: answers.append(fork_and_look(subject.publisher)))
        subject.interrupted(lambda: send(subject.publisher, number), messages(number), steps)
        return steps

    for name in ("publish", "no_room"):
        every_step(partial(run, name))
    assert set(answers) == {"nothing"}
    subject.works_everywhere()


def test_forked_while_another_thread_is_in_a_send(subject: Subject) -> None:
    publisher = subject.publisher
    inside, may_leave = threading.Event(), threading.Event()

    def hold() -> None:
        inside.set()
        may_leave.wait(DEADLINE_S)

    thread = threading.Thread(target=lambda: publisher._engine.path._locked(hold))
    thread.start()
    try:
        assert inside.wait(DEADLINE_S)
        assert fork_and_look(publisher) == "nothing"
    finally:
        may_leave.set()
        thread.join()
    subject.works_everywhere()


def test_the_child_leaves_the_flag_of_the_parents_send_alone(subject: Subject) -> None:
    """The parent is in the middle of a send; whatever the child tries, its flag stays up."""
    log = subject.publisher._engine.path.log
    words = log._words
    words[at.H_POISON] = during = log.head + 1
    log.load()

    answer = fork_and_look(subject.publisher)

    assert (answer, words[at.H_POISON]) == ("nothing", during)
    subject.publisher.recover()
    subject.works_everywhere()


SUBSCRIBE = command(b"SUBSCRIBE")

# A program with a publisher and a forked child. It says which child and where it listens, and
# after each line of its input, which it runs, that the line is done.
PROGRAM = """
import ctypes, os, signal, sys, warnings
from fanout import Publisher

endpoint, how, subscribers = sys.argv[1:]
warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads
c = ctypes.PyDLL(None)
publisher = Publisher(endpoint, workers=1, log_bytes=65536)
endpoint = publisher.endpoints[0]
publisher.wait_for_subscribers(int(subscribers), timeout=60)
child = os.fork() if how == "os.fork" else c.fork()
if not child:
    c.alarm(60)  # ends it if nobody else does
    while True:
        c.pause()
print(child, endpoint, flush=True)
for line in sys.stdin:
    try:
        exec(line, {"publisher": publisher, "Publisher": Publisher, "endpoint": endpoint})
        print("done", flush=True)
    except Exception as error:
        print(repr(error), flush=True)
os.kill(child, signal.SIGKILL)
"""


def connects(endpoint: str) -> bool:
    """Whether somebody listens there."""
    scheme, _, rest = endpoint.partition("://")
    host, _, port = rest.rpartition(":")
    with socket.socket(socket.AF_INET if scheme == "tcp" else socket.AF_UNIX) as client:
        try:
            client.connect((host, int(port)) if scheme == "tcp" else rest.replace("@", "\0"))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
    return True


def ask(program: Program, line: str) -> str:
    """Let the program run a line; returns what it says."""
    program.say(line)
    return program.line()


@pytest.mark.parametrize("end", ["publisher.close()", "publisher.unbind(endpoint)"])
@pytest.mark.parametrize(
    ("endpoint", "how"),
    [
        ("tcp://127.0.0.1:*", "fork of C"),  # no hook of Python runs
        ("ipc://{tmp_path}/feed.sock", "os.fork"),
        ("tcp://127.0.0.1:*", "os.fork"),
        ("ipc://@{tmp_path}", "os.fork"),  # free when nobody holds a copy
    ],
)
def test_a_forked_child_does_not_keep_the_port(
    endpoint: str, how: str, end: str, tmp_path: Path
) -> None:
    """Nobody connects into the void afterwards, and the address is free for a new publisher."""
    endpoint = endpoint.format(tmp_path=tmp_path)
    with Program(["-c", PROGRAM, endpoint, how, "0"], tmp_path) as program:
        _, endpoint = program.line().split()
        assert connects(endpoint)
        assert ask(program, end) == "done"
        assert not connects(endpoint)
        assert ask(program, "Publisher(endpoint, workers=1, log_bytes=65536).close()") == "done"
        program.finish()


def test_a_forked_child_does_not_listen_for_a_parent_that_was_killed(tmp_path: Path) -> None:
    with Program(["-c", PROGRAM, "tcp://127.0.0.1:*", "os.fork", "0"], tmp_path) as program:
        pid, endpoint = program.line().split()
        try:
            program.process.kill()
            program.process.wait()
            wait_until(lambda: not connects(endpoint), "nobody listens")
        finally:
            os.kill(int(pid), signal.SIGKILL)


def test_a_forked_child_does_not_hold_connections_of_a_parent_that_was_killed_with_its_workers(
    tmp_path: Path,
) -> None:
    """A subscriber would wait for messages of nobody."""
    path = tmp_path / "feed.sock"
    arguments = ["-c", PROGRAM, f"ipc://{path}", "os.fork", "1"]
    with Program(arguments, tmp_path) as program, socket.socket(socket.AF_UNIX) as subscriber:
        wait_until(path.exists, "it listens")
        subscriber.settimeout(DEADLINE_S)
        wait_until(lambda: subscriber.connect_ex(str(path)) == 0, "it is connected")
        subscriber.sendall(greeting_3(1) + READY_SUB + SUBSCRIBE)
        pid = int(program.line().split()[0])
        try:
            worker = int(ask(program, "print(publisher.statistics().workers[0].pid, flush=True)"))
            os.kill(worker, signal.SIGSTOP)  # it would end the connection, for all who hold it
            program.process.kill()
            program.process.wait()
            os.kill(worker, signal.SIGKILL)
            while subscriber.recv(4096):
                pass
        finally:
            os.kill(pid, signal.SIGKILL)
