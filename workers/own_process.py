"""What a worker sets up in its own process: signals, name, limits, what it leaves of a crash."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import resource
import signal
import sys

from fanout.basics.system_calls import dispensable

IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STACKS = signal.SIGUSR1  # prints the stacks of all threads; the worker goes on

TIMER_SLACK_NS = 1_000  # that a sleep may take longer than asked for
NAME_MAX = 15  # bytes that the kernel keeps of a name


def ignore_signals() -> None:
    """Ignore what is sent to the whole process group: the publisher decides when to end.

    The signals were blocked until now, so that none could end us before we ignored it.
    """
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())


def print_stacks() -> None:
    """Print the stacks of all threads to standard error at a crash, an abort, and on STACKS.

    That is done by the signal's handler, whatever Python is doing. The coordinator aborts a worker
    that hangs before it kills it, so that one sees where.

    Nothing is left of it on the disk: a core would hold the whole log. Only the soft limit is set,
    so who wants one can raise it (prlimit). A core that is piped to a program is up to that.
    """
    with dispensable():
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if sys.stderr is None:  # closed; its number may be a subscriber's socket soon
        signal.signal(STACKS, signal.SIG_IGN)
        signal.signal(signal.SIGABRT, signal.SIG_DFL)  # a parent that ignores it hands that down
        return
    faulthandler.enable(all_threads=True)
    faulthandler.register(STACKS, all_threads=True, chain=False)


def take_name(worker: int) -> None:
    """Be `fanout-worker-N` in lists of processes, `fanout-workerN` from 10 to 99, or N were cut.

    So all but the last of very many are found by what they are.
    """
    names = (f"fanout-{kind}{worker}" for kind in ("worker-", "worker", "work-"))
    _write("/proc/self/comm", next(name for name in names if len(name) <= NAME_MAX))


def use_all_descriptors() -> None:
    """Raise the soft limit of open files to the hard one: we need one for each subscriber."""
    with contextlib.suppress(ValueError, OSError):  # then the soft limit is what we have
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def be_nice(more: int) -> None:
    """Add to the niceness that was inherited; where that is refused, say so and go on."""
    if not more:
        return
    try:
        os.nice(more)
    except OSError as error:
        text = f"worker_nice has no effect: the system refuses it ({error.strerror})"
        print(f"fanout worker: {text}", file=sys.stderr)


def keep_naps_short() -> None:
    """Have sleeps end on time: by default the kernel adds 50 us, more than some naps last."""
    _write("/proc/self/timerslack_ns", str(TIMER_SLACK_NS))


def _write(path: str, text: str) -> None:
    # A kernel or a sandbox without it: we do without.
    with contextlib.suppress(OSError), open(path, "w", encoding="ascii") as file:
        file.write(text)
