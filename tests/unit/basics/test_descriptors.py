"""Numbers of descriptors, in processes of their own that have closed standard streams."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.helpers.programs import ROOT

BEGIN = """
import os, sys, threading
from fanout.basics import descriptors
from fanout.basics.descriptors import FIRST, duplicate, fill_standard, standard_taken
errors = duplicate(2)
def check(what, text):
    if not what:
        os.write(errors, text.encode())
        os._exit(1)
def is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
def open_ones():
    return [number for number in range(40) if is_open(number)]
log = duplicate(errors)
before = open_ones()
os.close(1)
os.close(2)
"""

CASES = {
    "what is opened is above": """
with standard_taken():
    made = os.eventfd(0)
    with standard_taken():
        again = os.eventfd(0)
    third = os.eventfd(0)
check(min(made, again, third) >= FIRST, f"{made} {again} {third}")
for each in (made, again, third):
    os.close(each)
check(open_ones() == [n for n in before if n not in (1, 2)], str(open_ones()))
""",
    "what raises gives them back": """
try:
    with standard_taken():
        raise ValueError
except ValueError:
    check(open_ones() == [n for n in before if n not in (1, 2)], str(open_ones()))
""",
    "what the program puts there stays": """
with standard_taken():
    os.dup2(log, 1)
    os.close(2)
check(is_open(1) and not is_open(2), "it was closed")
""",
    "nothing is written anywhere": """
with standard_taken():
    made = os.memfd_create("log")
    os.write(2, b"a message")
check(os.fstat(made).st_size == 0, "it is in the log")
""",
    "threads do not disturb each other": """
inside, go, made = threading.Event(), threading.Event(), []
def make():
    with standard_taken():
        inside.set()
        go.wait(60)
        made.append(os.eventfd(0))
thread = threading.Thread(target=make)
with standard_taken():
    thread.start()
    inside.wait(0.2)
go.set()
thread.join()
check(made[0] >= FIRST, str(made))
""",
    "a forked child has its own turn": """
with standard_taken():
    child = os.fork()
    if child == 0:
        thread = threading.Thread(target=lambda: standard_taken().__enter__(), daemon=True)
        thread.start()
        thread.join(60)
        os._exit(thread.is_alive())
check(os.waitpid(child, 0)[1] == 0, "it waits for a thread that it has not got")
""",
    "a process of ours has /dev/null": """
fill_standard()
check(os.readlink("/proc/self/fd/1") == os.readlink("/proc/self/fd/2") == os.devnull, "not there")
""",
}


@pytest.mark.parametrize("case", CASES)
def test_standard_numbers(case: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + CASES[case] + "\nos._exit(0)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
