"""`await` on a call that is not awaited: seen by who is called, before anything is done.

Python itself says no more of it than "object int can't be used in 'await' expression", when all is
done. A number that says more would cost each call. So who is called looks at the caller's bytecode:
whether the next instruction awaits what comes of this call. Not where calls are so cheap that this
would count: there the first call of an object looks, and no later one.

Nobody is refused who is right. It is said only of what is written as names with points between,
`self.feed.publish(...)`, which lead to the very object, without code of others being run, and whose
last one is what runs: code in C, which has no frame of its own, may call us as well, and return
what can be awaited. Of all else Python says what it does.
"""

from __future__ import annotations

import sys
from opcode import opmap
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from dis import Instruction
    from types import CodeType, FrameType
    from weakref import ref

_BLOCKS = (
    "this {} blocks, and {{}}() is not awaited: leave out `await`, or use {}; nothing was done"
)
PUBLISHER = _BLOCKS.format("publisher", "fanout.asyncio.Publisher")
SUBSCRIBER = _BLOCKS.format("subscriber", "fanout.asyncio.Subscriber")
PRODUCER = _BLOCKS.format("producer", "fanout.asyncio.Producer")
SOCKET = _BLOCKS.format("socket", "one of fanout.sockets.asyncio")
BATCH = (
    "{}() adds to a batch, which is sent when its block ends, and is not awaited: leave out "
    "`await`; nothing was added"
)

_MAY_AWAIT = 0x80 | 0x200  # of a code's flags: CO_COROUTINE, CO_ASYNC_GENERATOR
_UNIT = 2  # bytes of an instruction, without what it keeps behind it
_KEPT = opmap["CACHE"]  # what an instruction keeps there, as `co_code` has it
_AWAIT = opmap.get("GET_AWAITABLE", -1)
_ATTRIBUTES = {"LOAD_ATTR", "LOAD_METHOD"}
_NAMES = ("LOAD_FAST", "STORE_FAST_LOAD_FAST", "LOAD_DEREF", "LOAD_GLOBAL", "LOAD_NAME")
_COMPILED = "Verb"  # the type of compiled ones, which say of which function they are


def refuse_await(text: str) -> None:
    """Refuse the call of a method of ours that is under way, if it is certain that it is awaited.

    Args:
        text: what to say, with "{}" in the place of the name of the method.

    Raises:
        TypeError: it is.
    """
    frame: FrameType | None = sys._getframe(1)
    verb = frame
    while frame is not None and is_ours(frame.f_globals.get("__name__")):
        verb, frame = frame, frame.f_back
    if frame is not None and verb is not None and is_awaited(frame.f_code, frame.f_lasti):
        name = awaited_name(verb, frame)
        if name:
            raise TypeError(text.format(name))


def is_ours(module: object) -> bool:
    """Whether a module is one of fanout."""
    return isinstance(module, str) and (module == "fanout" or module.startswith("fanout."))


def is_awaited(code: CodeType, last: int) -> bool:
    """Whether the instruction at `last`, or what it keeps there, is followed by an `await`."""
    if last < 0 or not code.co_flags & _MAY_AWAIT:
        return False
    instructions = code.co_code
    following = last + _UNIT
    while following < len(instructions) and instructions[following] == _KEPT:
        following += _UNIT
    return following < len(instructions) and instructions[following] == _AWAIT


def awaited_name(verb: FrameType, caller: FrameType) -> str:
    """What the method is called whose result is awaited; "": that is not certain.

    Args:
        verb: its frame, or of the function by which compiled code has it done.
        caller: where it is called, and awaited.
    """
    names = _names_of_call(caller)
    if len(names) < 2 or names[-1] != verb.f_code.co_name or not verb.f_code.co_argcount:
        return ""
    owner = verb.f_locals[verb.f_code.co_varnames[0]]
    # Not loaded before somebody is about to be refused.
    from inspect import getattr_static

    function = getattr_static(type(owner), names[-1], None)
    if type(function).__name__ == _COMPILED:
        function = function.__wrapped__
    if getattr(function, "__code__", None) is not verb.f_code:
        return ""
    found = caller.f_locals.get(names[0], caller.f_globals.get(names[0]))
    for name in names[1:-1]:
        descriptor = getattr_static(found, name, None)
        is_slot = isinstance(descriptor, MemberDescriptorType)
        found = descriptor.__get__(found) if is_slot else descriptor
    return names[-1] if found is owner else ""


def _names_of_call(caller: FrameType) -> list[str]:
    """The names, with points between, that are called where a frame is; []: it is not so simple."""
    from dis import get_instructions

    code = [one for one in get_instructions(caller.f_code) if one.offset <= caller.f_lasti]
    start = _start_of(code[-1])
    # What is called is written where its call begins, as nothing of its arguments is.
    while code and not (code[-1].opname in _ATTRIBUTES and _start_of(code[-1]) == start):
        code.pop()
    names: list[str] = []
    while code and code[-1].opname in _ATTRIBUTES:
        names.append(code.pop().argval)
    if start is None or not code or not code[-1].opname.startswith(_NAMES):
        return []
    first = code[-1].argval  # some instructions load two
    return [first if isinstance(first, str) else first[-1], *reversed(names)]


def _start_of(instruction: Instruction) -> tuple[int, int] | None:
    """Line and column; None: the interpreter was told not to keep them."""
    places = instruction.positions
    if places is None or places.lineno is None or places.col_offset is None:
        return None
    return places.lineno, places.col_offset


class FirstCall:
    """In the place of something that an object calls: its first call looks, and is the last to.

    Args:
        owner: whose call is under way then; a weak reference, for it has this.
        attribute: of it, where this is until then, and what is called from then on.
        usual: that.
        text: as for `refuse_await`.
    """

    __slots__ = ("_attribute", "_owner", "_text", "_usual")

    def __init__(
        self, owner: ref[Any], attribute: str, usual: Callable[..., Any], text: str
    ) -> None:
        self._owner = owner
        self._attribute = attribute
        self._usual = usual
        self._text = text

    def look(self) -> None:
        """Look, and be replaced.

        Raises:
            TypeError: the call is awaited; the next one will look again.
        """
        refuse_await(self._text)
        setattr(self._owner(), self._attribute, self._usual)

    def __call__(self, *given: object) -> Any:
        self.look()
        return self._usual(*given)
