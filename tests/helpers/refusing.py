"""What a system call is that the system refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable


def refusing(number: int) -> Callable[..., NoReturn]:
    """A call that fails with this error, each time with a new one.

    One that is raised again and again, as by `Mock(side_effect=error)`, holds the frames that it
    has passed through, these the mock, and that the error: a circle with all that is in the frames.
    """

    def refuse(*_arguments: object) -> NoReturn:
        raise OSError(number, "none")

    return refuse
