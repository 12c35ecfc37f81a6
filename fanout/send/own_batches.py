"""Batches of a publisher: how each is made, which are open, and who sends beside his own.

Whoever publishes, or begins one, inside of the block of his own: that goes out first.
"""

from __future__ import annotations

import gc
import sys
import threading
import warnings
from dataclasses import dataclass
from types import MethodType
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from weakref import ref

from fanout.terms.awaiting import PUBLISHER, is_ours, refuse_await

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.send.attempt import Attempt
    from fanout.send.path import SendPath
    from fanout.send.topics import Subject
    from fanout.send.wire import Encoder

B = TypeVar("B")

# Each takes as long as the program has objects, 45 ms for a million: who was warned so often of
# batches that have no name any more need not be warned of another one.
LOOKS_MAX = 4
_ENDS = ("__exit__", "__aexit__")

_BESIDE = (
    "published on the publisher inside of the block of a batch: it goes out at once, before the "
    "messages of the batch; call the same on the batch"
)
_NESTED = (
    "began a batch inside of the block of another one of the same publisher: it goes out at the "
    "end of its own block, before the messages of the other; add to that one, or begin it "
    "afterwards"
)


class _Outer:
    """In the place of a thread or task, whose batch this is: it has begun another one since."""

    __slots__ = ("who",)

    def __init__(self, who: object) -> None:
        self.who = who


@dataclass(slots=True)  # not frozen, as `Prepared`
class BatchRules:
    """How the batches of a publisher are encoded and committed."""

    path: SendPath
    encoder: Encoder  # without a limit for each message, and each in one piece
    limit: int  # bytes on the wire, in all
    count_limit: int  # messages

    def __post_init__(self) -> None:
        self.path.limit_batches(self.limit, self.count_limit)


class Sends(Protocol):
    """What messages are sent by: a `SendPath`, a `SendQueue`."""

    def append(self, body: bytes, subject: Subject, /) -> int:
        """As `SendPath.append`."""


class OwnBatches(Generic[B]):
    """The batches of one publisher; open ones by the thread or task that has opened each.

    A publisher sends by this only while a batch is open, so that otherwise it costs nothing; one
    that blocks also until its first message, see `look_at_first()`. It is a warning, not an error:
    a block that was interrupted before its end could be noted may leave a batch that looks open
    (see `_is_open`), which must not keep anybody from publishing.

    Args:
        publisher: sends by what it has as `_path`, in its `__slots__`, which is changed here; a
            weak reference, for it refers to this.
        usual: see below.
        who: returns the thread, or the task, that runs now; raises RuntimeError if there is none.
        kind, rules, commit: see below.

    Attributes:
        usual: what the publisher sends by while no batch is open.
        is_usual: whether that is the path: nobody waits, and what is ready is appended at once.
        kind: makes a batch of this and of a timeout.
        rules: how batches are encoded, and how large they may be.
        commit: takes an `Attempt` and the timeout; returns the sequence, or an awaitable of it.
        has_collected: a message was added to one, and adding was not awaited.
    """

    __slots__ = (
        *("_is_first", "_looks", "_open", "_publisher", "_switch", "_who"),
        *("commit", "has_collected", "is_usual", "kind", "rules", "usual"),
    )

    def __init__(
        self,
        publisher: Callable[[], Any],
        usual: Sends,
        who: Callable[[], object],
        kind: Callable[[OwnBatches[B], float | None], B],
        rules: BatchRules,
        commit: Callable[[Attempt, float | None], Any],
    ) -> None:
        self.usual = usual
        self.is_usual = usual is rules.path
        self.kind = kind
        self.rules = rules
        self.commit = commit
        self.has_collected = False
        self._who = who
        self._publisher = publisher
        # Not by `=`, which has a look at what users set, and takes twice as long.
        self._switch: Callable[[object, object], None] = type(publisher())._path.__set__
        self._open: dict[object, ref[object]] = {}
        self._looks = LOOKS_MAX  # that are left, see `_is_kept_by_its_end()`
        self._is_first = False

    def begin(self, batch: object) -> object:
        """The block of this batch begins, in the present thread or task; returns which that is.

        Warns, with nothing changed yet, who has another one open.
        """
        try:
            who = self._who()
        except RuntimeError:  # as `_now`, which would be a call more
            who = None
        if self._open:
            self._begin_inside(who)
        self._open[who] = ref(batch)
        publisher = self._publisher()
        if publisher is not None:
            self._switch(publisher, self)
        return who

    def end(self, batch: object, began: object) -> None:
        """It ends, wherever; it began in this thread or task, or in None if that is not known."""
        one = self._open.get(began)
        if one is None or len(self._open) > 1 or one() is not batch:
            self._take_out(batch)
            self._settle()
            return
        self._open.pop(began, None)
        publisher = self._publisher()
        if publisher is not None:
            self._switch(publisher, self.usual)
            if self._open:  # another thread has begun one since the look
                self._settle()

    def send_by(self, usual: Sends) -> None:
        """Have the publisher send by this from now on, or from when no batch is open any more."""
        self.usual = usual
        self.is_usual = usual is self.rules.path
        self._settle()

    def look_at_first(self) -> None:
        """Have the first message of a publisher that blocks look whether its call is awaited."""
        self._is_first = True
        self._settle()

    def _settle(self) -> None:
        """Have the publisher send by this, or as usual, whichever threads run."""
        publisher = self._publisher()
        if publisher is None:
            return
        while True:  # another thread may begin one after the look, and be switched off by us
            is_needed = bool(self._open) or self._is_first
            self._switch(publisher, self if is_needed else self.usual)
            if (bool(self._open) or self._is_first) == is_needed:
                return

    def _begin_inside(self, who: object) -> None:
        """Some are open: if one is of this thread or task, warn, and note that it is around."""
        before = self._open.get(who)
        if before is not None and self._is_open(before):
            _warn(_NESTED)
            self._open[_Outer(who)] = before

    def _take_out(self, batch: object) -> None:
        """This one and those that are gone without an end; the block around it is his again."""
        for who, one in list(self._open.items()):
            if one() is batch or one() is None:
                self._open.pop(who, None)
        for outer in reversed(self._open.copy()):
            if isinstance(outer, _Outer) and outer.who not in self._open:
                inner = self._open.pop(outer, None)
                if inner is not None:  # else another thread that ends one has seen to it
                    self._open[outer.who] = inner

    def append(self, body: bytes, subject: Subject) -> int:
        """Append to the log, and warn if that is beside a batch of the same thread or task.

        Raises:
            TypeError: it is the first message, and its call is awaited. Others as the path.
        """
        if self._is_first:
            refuse_await(PUBLISHER)
            self._is_first = False
            self._settle()
        self.warn()
        return self.usual.append(body, subject)

    def _now(self) -> object:
        """Who runs now; None = whoever drives a coroutine without a loop."""
        try:
            return self._who()
        except RuntimeError:
            return None

    def warn(self) -> None:
        """Warn who has a batch open, at his own line."""
        if not self._open:
            return
        one = self._open.get(self._now())
        if one is None:
            return
        if self._is_open(one):
            _warn(_BESIDE)
        else:  # it was interrupted before it could say that it ends
            self._take_out(one())
            self._settle()

    def _is_open(self, one: ref[Any]) -> bool:
        """Whether the block of a batch that is noted as open is not over.

        An exception from outside may hit the very begin of what ends a block, which is not tried
        again: nothing can be noted then. But a `with` statement keeps the batch, beside the name
        that it has in its block. So one that has messages, which it got by a name, and is kept
        once, has no block any more, or no name. This is asked only where there would be a warning.
        """
        kept = sys.getrefcount(one()) - 1  # less what it is asked by
        batch = one()
        if batch is None or batch._is_over:
            return False
        return kept > 1 or not len(batch) or self._is_kept_by_its_end(batch)

    def _is_kept_by_its_end(self, batch: object) -> bool:
        """Whether that is by a method that ends it, as `with` statements and `ExitStack` have it.

        False as well once that was asked so often: see `LOOKS_MAX`.
        """
        if not self._looks:
            return False
        self._looks -= 1
        return any(
            type(one) is MethodType
            and one.__self__ is batch
            and getattr(one, "__name__", "") in _ENDS
            for one in gc.get_referrers(batch)
        )


def running() -> object:
    """The task that runs in this thread, or the thread, where no event loop does.

    A publisher that blocks is called by tasks, too, with a batch each between two of their waits.
    """
    asyncio = sys.modules.get("asyncio")  # not loaded for this: who has a task has loaded it
    loop = None if asyncio is None else asyncio._get_running_loop()
    task = None if loop is None else asyncio.current_task(loop)  # type: ignore[union-attr]
    return threading.get_ident() if task is None else task


def _warn(text: str) -> None:
    """Warn at the line of the user."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and is_ours(frame.f_globals.get("__name__")):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, RuntimeWarning, stacklevel=level)
