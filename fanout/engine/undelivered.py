"""What a `with` block that has ended leaves undelivered: its `close()` returns it to nobody."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout.statistics import Undelivered

NAMED_MAX = 3  # subscribers in the text: there may be thousands, and `close()` returns all

_logger = logging.getLogger("fanout")


def warn_of_undelivered(found: Sequence[Undelivered], seconds: float) -> None:
    """Log who had not got everything, the worst first; nothing if everybody had.

    Args:
        seconds: that delivery had, `drain_timeout`.
    """
    if not found:
        return
    worst = sorted(found, key=lambda one: (-one.messages, -one.kernel_bytes))
    named = "; ".join(map(_line, worst[:NAMED_MAX]))
    others = len(worst) - NAMED_MAX
    _logger.warning(
        "the block has ended, and not everything was delivered within %g s (drain_timeout): %s%s; "
        "give close() more time before the end, and see what it returns",
        *(seconds, named, f"; and {others:,} others" if others > 0 else ""),
    )


def _line(one: Undelivered) -> str:
    who = f"subscriber {one.subscriber} ({one.peer})" if one.subscriber else one.peer
    count = f"{one.messages:,}" if one.exact else f"{one.messages:,} or more"
    return f"{who}: {count} messages queued, {one.kernel_bytes:,} bytes not acknowledged"
