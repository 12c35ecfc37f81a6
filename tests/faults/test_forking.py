"""A publisher in the child of a fork: refused at every verb, and no harm to the parent."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from functools import partial
from typing import TYPE_CHECKING

from fanout import ForkedError, Publisher
from fanout.shm import layout as at
from tests.faults.subject import BIG, SENDS, Subject, every_step, send_batch
from tests.helpers.interrupting import Steps, untraced
from tests.helpers.waiting import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Callable

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

    thread = threading.Thread(target=lambda: publisher._path._locked(hold))
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
    log = subject.publisher._path.log
    words = log._words
    words[at.H_POISON] = during = log.head + 1
    log.load()

    answer = fork_and_look(subject.publisher)

    assert (answer, words[at.H_POISON]) == ("nothing", during)
    subject.publisher.recover()
    subject.works_everywhere()
