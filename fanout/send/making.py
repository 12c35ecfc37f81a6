"""Which send path a publisher has: only what it uses costs it anything, its loading too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from fanout.compiled import is_compiled
from fanout.send.numbered_path import NumberedPath
from fanout.send.path import SendPath

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.send.batch import Messages
    from fanout.send.path import Demand
    from fanout.shm.bells import Bell
    from fanout.shm.doorbell import Doorbell
    from fanout.shm.segment import Segment

    M = TypeVar("M", bound=Messages)

T = TypeVar("T")

# Verbs that compiled code makes the usual calls of, and when these append, as `arguments.h` has it.
_VERBS = {"publish": 0, "send": 1, "send_multipart": 2}
_NOW, _TO_BATCH, _AWAITED = range(3)

_compiled_types: dict[type[Messages], Any] = {}  # of each kind, once it was needed


def make_path(
    segment: Segment,
    bells: Sequence[Bell],
    room: Doorbell,
    interest: Demand,
    max_topics: int,
    *,
    numbered: bool,
    kept: Sequence[bytes],
) -> SendPath:
    """The send path of a publisher.

    Args:
        numbered: whether its messages have a last frame with their number.
        kept: prefixes of the topics whose last values are kept.
    """
    given = segment, bells, room, interest, max_topics
    if kept and is_compiled():
        from fanout.send.compiled_kept_path import CompiledKeptPath, CompiledNumberedKeptPath

        return (CompiledNumberedKeptPath if numbered else CompiledKeptPath)(*given, kept)
    if kept:
        from fanout.send.kept_path import KeptPath, NumberedKeptPath

        return (NumberedKeptPath if numbered else KeptPath)(*given, kept)
    if is_compiled():
        from fanout.send.compiled_path import CompiledNumberedPath, CompiledPath

        return (CompiledNumberedPath if numbered else CompiledPath)(*given)
    return (NumberedPath if numbered else SendPath)(*given)


def batch_type(kind: type[M], path: SendPath) -> type[M]:
    """Of batches for this path: where that is compiled, so is adding to a batch."""
    return _compiled_types.get(kind) or _compile(kind) if path.is_compiled else kind


def _compile(kind: type[M]) -> type[M]:
    names = {"__slots__": (), "__module__": kind.__module__, "__doc__": kind.__doc__}
    made: type[M] = type(kind.__name__, (kind,), names)
    _compiled_types[kind] = _replace_verbs(made, "_messages", _TO_BATCH)
    return made


def with_compiled_verbs(kind: type[T]) -> type[T]:
    """Decorates a publisher: compiled code makes the usual calls of its verbs, where it is there.

    What is not usual is done by the method of before, which the new one has as `__wrapped__`.
    """
    return _replace_verbs(kind, "_path", _NOW) if is_compiled() else kind


def with_awaited_verbs(kind: type[T]) -> type[T]:
    """As `with_compiled_verbs`, of a publisher for asyncio.

    What such a verb returns is no `types.CoroutineType`, but does all that one does. Whoever asks
    for the method without calling it at once gets the twin, whose coroutines are what they were.
    """
    return _replace_verbs(kind, "_path", _AWAITED) if is_compiled() else kind


def _replace_verbs(kind: type[T], attribute: str, mode: int) -> type[T]:
    """Give a class verbs that append by this attribute of its objects, or add to it."""
    from fanout._speed import make_verb

    for name, number in _VERBS.items():
        setattr(kind, name, make_verb(kind, attribute, mode, number, getattr(kind, name)))
    return kind
