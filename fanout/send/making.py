"""Which send path a publisher has: only what it uses costs it anything, its loading too."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from fanout.compiled import is_compiled
from fanout.send.numbered_path import NumberedPath
from fanout.send.path import SendPath

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fanout.send.batch import BatchRules, Messages
    from fanout.send.own_batches import OwnBatches
    from fanout.send.path import Demand
    from fanout.shm.bells import Bell
    from fanout.shm.doorbell import Doorbell
    from fanout.shm.segment import Segment

    M = TypeVar("M", bound=Messages)

_compiled_types: dict[type[Messages], type[Messages]] = {}  # of each kind, once it was needed


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
    if kept:
        from fanout.send.kept_path import KeptPath, NumberedKeptPath

        return (NumberedKeptPath if numbered else KeptPath)(*given, kept)
    if numbered:
        return NumberedPath(*given)
    if is_compiled():
        from fanout.send.compiled_path import CompiledPath

        return CompiledPath(*given)
    return SendPath(*given)


def make_batch(kind: type[M], rules: BatchRules, own: OwnBatches, commit: object) -> M:
    """A batch of this kind, for this path: where that is compiled, so is adding to the batch.

    Args:
        rules, own, commit: what it is made with.
    """
    made: type[Messages] | None = kind
    if rules.path.is_compiled:
        made = _compiled_types.get(kind)
        if made is None:
            made = _compiled_types[kind] = _compile(kind)
    return cast("Callable[..., M]", made)(rules, own, commit)


def _compile(kind: type[Messages]) -> type[Messages]:
    from fanout._speed import Adding

    names = {"__slots__": (), "__module__": kind.__module__, "__doc__": kind.__doc__}
    return type(kind.__name__, (Adding, kind), {**names, "publish_plainly": kind.publish})
