"""System calls that a sandbox refuses: each is done without, or named with what it is for.

With a real filter (seccomp) in processes of their own; it holds for their workers as well.
"""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest

from tests.helpers.programs import ROOT
from tests.helpers.seccomp import names
from tests.helpers.waiting import DEADLINE_S

NEEDED = ("memfd_create", "eventfd2", "epoll_create1", "socketpair", "pidfd_open", "ioctl")
DISPENSABLE = sorted(set(names()) - set(NEEDED))
NO_FILTER = 77

PROGRAM = f"""
import sys
from tests.helpers.seccomp import refuse
try:
    refuse(*sys.argv[2:], number=int(sys.argv[1]))
except OSError as error:
    print(error, file=sys.stderr)
    sys.exit({NO_FILTER})
import fanout
from tests.helpers.raw import RawPeer
try:
    publisher = fanout.Publisher("tcp://127.0.0.1:*", log_bytes=1 << 20, worker_nice=1)
except fanout.FanoutError as error:
    sys.exit(f"{{type(error).__name__}}: {{error}}")
with publisher, RawPeer.version_3(publisher.bind("ipc://*"), b"A") as other:
    with RawPeer.version_3(publisher.endpoints[0], b"A") as peer:
        publisher.wait_for_subscribers(2, timeout=60)
        publisher.publish(b"A", b"1")
        print(peer.read_message(), other.read_message(), publisher.statistics().sent)
assert publisher.close() == ()
print("done")
"""


def run(number: int, *calls: str) -> subprocess.CompletedProcess[str]:
    """A publisher's life where these calls fail so."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM, str(number), *calls]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    if done.returncode == NO_FILTER:
        pytest.skip(f"no filter of system calls is permitted here: {done.stderr}")
    return done


@pytest.mark.skipif(not DISPENSABLE, reason="the numbers of system calls are not known here")
@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS], ids=errno.errorcode.get)
def test_what_is_not_essential_is_done_without(number: int) -> None:
    done = run(number, *DISPENSABLE)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "[b'A', b'1'] [b'A', b'1'] 2\ndone\n"
    assert "worker_nice has no effect" in done.stderr


@pytest.mark.skipif(not DISPENSABLE, reason="the numbers of system calls are not known here")
@pytest.mark.parametrize("call", NEEDED)
def test_what_is_essential_is_named(call: str) -> None:
    done = run(errno.EPERM, call)

    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(("StartupError: ", "BindError: "))
    assert f"refuses the call {call} (Operation not permitted), which " in line
    assert "allow it in the profile of the sandbox" in line


COMMAND = """
import sys
from tests.helpers.seccomp import refuse
refuse(*sys.argv[2].split(","), number=int(sys.argv[1]))
from fanout.cli.main import main
sys.exit(main(sys.argv[3:]))
"""


def command(calls: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The `fanout` command where these calls are refused."""
    run(errno.EPERM)  # is skipped where there are no filters
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", COMMAND, str(errno.EPERM), calls, *arguments],
        cwd=ROOT,
        input="A\thello\n",
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


@pytest.mark.skipif(not DISPENSABLE, reason="the numbers of system calls are not known here")
def test_the_command_names_them_too() -> None:
    works = command(",".join(DISPENSABLE), "serve", "--bind", "tcp://127.0.0.1:*")
    serve = command("eventfd2", "serve", "--bind", "tcp://127.0.0.1:*")
    sub = command("ioctl", "sub", "tcp://127.0.0.1:1", "--count", "1")

    assert works.returncode == 0, works.stderr
    for done in (serve, sub):
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "the system refuses the call" in done.stderr


def test_proc_is_not_needed() -> None:
    hide = 'mount -t tmpfs none /proc && test ! -e /proc/self && exec "$@"'
    inside = [sys.executable, "-W", "error", "-c", PROGRAM, str(errno.EPERM)]
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", hide, "sh", *inside]
    try:
        subprocess.run([*command[:4], "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no namespaces are permitted here")
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == "[b'A', b'1'] [b'A', b'1'] 2\ndone\n"
