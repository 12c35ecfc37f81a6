"""A log that notes last values and that compiled code appends to as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.shm import layout as at
from fanout.shm.compiled_log import CompiledLog
from fanout.shm.valued_log import NumberedValuedLog, ValuedLog

if TYPE_CHECKING:
    from fanout.shm.segment import Segment


class CompiledValuedLog(CompiledLog, ValuedLog):
    """As `ValuedLog`."""

    def _last_messages(self, segment: Segment) -> memoryview:
        first = segment.layout.values // at.WORD
        return segment.words[first : first + segment.layout.table.places]


class CompiledNumberedValuedLog(CompiledValuedLog, NumberedValuedLog):
    """Compiled: keeps last values, and its messages are numbered."""
