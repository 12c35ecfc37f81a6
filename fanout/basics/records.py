"""Records: messages, actions and effects, made more quickly than `dataclasses` makes them.

A process of a publisher loads up to forty of them before it serves. `dataclasses` compiles up to
six functions for each, which was a tenth of the start of a program and of a worker, so of the time
until a lost one is replaced; a record needs one, and shares the others. For all that has a fixed
set of fields with at most plain defaults; what users are handed is a dataclass, as they expect.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def record(kind: type[T]) -> type[T]:
    """Make a record of a class: its annotations are its fields, in their order.

    It has slots, compares and hashes by its values, and says them. Nobody may change one: that is
    for type checkers to see, since at run time it would make each twice as slow to make. So is that
    fields without a default come first.

    Args:
        kind: inherits from nothing; its module has `from __future__ import annotations`, and calls
            what is no field `ClassVar[...]`.

    Returns:
        The record, in the place of the class.
    """
    own = vars(kind)
    names = tuple(fields_of(kind))
    body = {name: value for name, value in own.items() if name not in names}
    for name in ("__dict__", "__weakref__"):
        body.pop(name, None)
    defaults = tuple(own[name] for name in names if name in own)
    body |= {"__slots__": names, "__match_args__": names, "__qualname__": kind.__qualname__}
    body["__init__"] = init = _init(names, defaults)
    init.__qualname__ = f"{kind.__qualname__}.__init__"  # whose arguments do not fit
    values = _values_of(names)

    def is_same(self: object, other: object) -> bool:
        return values(self) == values(other) if type(other) is type(self) else NotImplemented

    def number(self: object) -> int:
        return hash(values(self))

    def text(self: object) -> str:
        said = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__qualname__}({said})"

    body |= {"__eq__": is_same, "__hash__": number}
    body.setdefault("__repr__", text)  # its own says what is not secret
    made: type[T] = type(kind.__name__, kind.__bases__, body)
    return made


def fields_of(kind: type) -> dict[str, str]:
    """The fields of a record, in their order, with the text of the annotation of each."""
    own: dict[str, str] = kind.__annotations__
    return {name: text for name, text in own.items() if not text.startswith("ClassVar")}


def changed(one: T, **changes: object) -> T:
    """A record like this one, with other values in some fields.

    Raises:
        TypeError: it has no such field.
    """
    return type(one)(**{name: getattr(one, name) for name in fields_of(type(one))} | changes)


def _values_of(names: tuple[str, ...]) -> Callable[[object], object]:
    return attrgetter(*names) if names else lambda _: ()


def _init(names: tuple[str, ...], defaults: tuple[object, ...]) -> Any:
    """What sets the fields; the last ones have defaults."""
    lines = [f"def __init__(self, {', '.join(names)}):", *(f" self.{n} = {n}" for n in names)]
    made: dict[str, Any] = {}
    exec("\n".join([*lines, " pass"]), made)
    made["__init__"].__defaults__ = defaults
    return made["__init__"]
