"""What fanout raises, and whose fault it is.

    FanoutError
    ├── ConfigError (ValueError)        yours: an option or endpoint that cannot work
    ├── MessageTooLarge (ValueError)    yours: larger than the log can hold; nothing was sent
    ├── ClosedError                     yours: the publisher was closed before
    │   └── ForkedError                 yours: used in a process forked from its owner
    ├── NotMovedError                   nobody's: a subscriber cannot go to another worker now
    ├── NestedSendError                 yours: a send from inside a send (signal handler, finalizer)
    ├── Again (TimeoutError)            nobody's: ``slow_policy="block"`` and held up for too long
    ├── PoisonedError                   an interrupted send could not be rolled back: ``recover()``
    ├── BindError (OSError)             the outside: address in use, not ours, not permitted
    ├── StartupError                    the outside: no memory, no worker, wrong platform
    └── BrokenError                     the outside: every worker is lost

``TypeError`` is raised for arguments of a wrong type, and ``TimeoutError`` by waits that time out.
"""

from __future__ import annotations


class FanoutError(Exception):
    """Base of every exception that fanout raises on purpose."""


class ConfigError(FanoutError, ValueError):
    """An option or an endpoint cannot work; nothing was started or changed."""


class MessageTooLarge(FanoutError, ValueError):
    """A message, or a batch, takes more than a quarter of the log; nothing was sent.

    Attributes:
        size: of the message or batch on the wire.
        limit: what it may have.
        unit: "bytes" (the limit is a quarter of ``log_bytes``) or "messages" (of a batch).
    """

    def __init__(self, size: int, limit: int, unit: str = "bytes") -> None:
        super().__init__(size, limit, unit)
        self.size = size
        self.limit = limit
        self.unit = unit

    def __str__(self) -> str:
        what = "the message or batch takes" if self.unit == "bytes" else "the batch has"
        where = "of the log, on the wire" if self.unit == "bytes" else "of what the log can hold"
        return (
            f"{what} {self.size:,} {self.unit}, the limit is {self.limit:,} (a quarter {where}): "
            f"raise log_bytes or send less at once; nothing was sent"
        )


class ClosedError(FanoutError):
    """The publisher is closed; nothing was sent."""


class ForkedError(ClosedError):
    """The publisher belongs to the parent of this forked process; create a new one here."""


class NotMovedError(FanoutError):
    """A subscriber cannot go to another worker now, or has not; it is served as before.

    Unless it has left, or a worker was lost meanwhile: the text says so.

    Attributes:
        subscriber: its id.
        problem: why not.
    """

    def __init__(self, subscriber: int, problem: str) -> None:
        super().__init__(subscriber, problem)
        self.subscriber = subscriber
        self.problem = problem

    def __str__(self) -> str:
        return f"subscriber {self.subscriber} was not moved: {self.problem}"


class NestedSendError(FanoutError):
    """A send was called from inside a send of the same thread; the inner one sent nothing."""


class Again(FanoutError, TimeoutError):
    """No space in the log within the timeout, or held up for so long; nothing was sent.

    A subscriber with the policy ``block`` does not keep up, or is at a limit of that; if there is
    none, a worker has not had its turn yet, or was lost and is being replaced.

    Attributes:
        subscriber: id of the one that is at a limit of its own; else of the one that is furthest
            behind of those who may block, as its worker has written down a fifth of a second ago at
            most; None = nobody is known to be.
    """

    subscriber: int | None = None


class PoisonedError(FanoutError):
    """An earlier send was interrupted where a clean rollback could not be proven.

    Nothing uncommitted was or will be delivered. ``Publisher.recover()`` rolls back to the last
    commit and makes the publisher usable again.
    """


class BindError(FanoutError, OSError):
    """An endpoint could not be bound; the publisher is as it was.

    Attributes:
        endpoint: the endpoint as it was given.
    """

    def __init__(self, endpoint: str, message: str, errno: int | None = None) -> None:
        super().__init__(errno, message)
        self.endpoint = endpoint
        self.message = message

    def __str__(self) -> str:
        return f"cannot bind {self.endpoint!r}: {self.message}"

    def __reduce__(self) -> tuple[type[BindError], tuple[str, str, int | None]]:
        return type(self), (self.endpoint, self.message, self.errno)


class StartupError(FanoutError):
    """The publisher could not start; everything that it had begun is undone.

    Attributes:
        exit_code: of the worker that did not start, see `fanout.basics.exits`; -N for signal N.
            ``None`` if no worker was to blame.
    """

    def __init__(self, message: str, exit_code: int | None = None) -> None:
        super().__init__(message, exit_code)
        self.message = message
        self.exit_code = exit_code

    def __str__(self) -> str:
        return self.message


class BrokenError(FanoutError):
    """No worker has served for minutes and none can be started; the message was not sent.

    `restart_workers()` tries once more; when a worker serves again, messages are sent again.
    """
