"""Blame: with whom a worker was busy when it met a bug, as the error itself tells. Pure.

Whatever is done for one subscriber is done by a function that has it as an argument. So the stack
on which an error was raised names it, and nothing has to be noted before there is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.workers.connections.peer import Peer
from fanout.workers.stream.member import Member

if TYPE_CHECKING:
    from types import FrameType

NOBODY = 0


def subscriber_of(error: BaseException) -> int:
    """The subscriber for which the innermost function was called that was called for one.

    Returns:
        Its id; NOBODY = what was done is done for all, or for none.
    """
    found, traceback = NOBODY, error.__traceback__
    while traceback is not None:
        found = _served_by(traceback.tb_frame) or found
        traceback = traceback.tb_next
    return found


def _served_by(frame: FrameType) -> int:
    """The one that this function was called for.

    Its other variables do not count: they may be left from a loop that is over.
    """
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    arguments = [frame.f_locals.get(name) for name in names]
    ones = {one.id for one in arguments if isinstance(one, Peer | Member)}
    return ones.pop() if len(ones) == 1 else NOBODY
