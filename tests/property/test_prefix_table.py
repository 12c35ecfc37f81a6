"""The table of prefixes agrees with a dict that is searched with startswith."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fanout.shm import prefix_table
from fanout.shm.prefix_table import PrefixTable

names = st.text("AB", max_size=7).map(str.encode)
LONG = b"L" * prefix_table.SHORT_MAX  # before a name: it stands further down, unless it is empty
LONGER = LONG * 20
prefixes = st.one_of(names, *(names.map(before.__add__) for before in (LONG, LONGER)))


class TableMachine(RuleBasedStateMachine):
    """Prefixes come and go, short ones and long ones."""

    def __init__(self) -> None:
        super().__init__()
        self.table: PrefixTable[int] = PrefixTable()
        self.model: dict[bytes, int] = {}

    @rule(prefix=prefixes, value=st.integers(0, 3))
    def put(self, prefix: bytes, value: int) -> None:
        self.table.put(prefix, value)
        self.model[prefix] = value

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        if self.model:
            prefix = data.draw(st.sampled_from(sorted(self.model)))
            self.table.remove(prefix)
            del self.model[prefix]

    @rule(prefix=prefixes)
    def remove_unknown(self, prefix: bytes) -> None:
        if prefix not in self.model:
            with pytest.raises(KeyError):
                self.table.remove(prefix)

    @rule(topic=prefixes, more=names)
    def match(self, topic: bytes, more: bytes) -> None:
        topic += more
        known = sorted(filter(topic.startswith, self.model))
        assert self.table.matching(topic) == [self.model[prefix] for prefix in known]
        assert self.table.get(topic) == self.model.get(topic)

    @invariant()
    def it_has_what_the_model_has(self) -> None:
        assert len(self.table) == len(self.model)
        assert all(self.table.get(prefix) == value for prefix, value in self.model.items())

    @invariant()
    def nothing_is_kept_for_nobody(self) -> None:
        """A level has two prefixes at least, and knows what lengths there are of them."""
        levels = [self.table._root]
        for level in levels:
            assert list(level.lengths) == sorted({len(rest) for rest in level.short})
            below = level.deeper.values()
            levels += [one for one in below if not isinstance(one, tuple)]
            assert level is self.table._root or level.alone() is None
            assert level is self.table._root or level.short or level.deeper


TestTable = TableMachine.TestCase
TestTable.settings = settings(max_examples=60, stateful_step_count=40)


@given(st.sampled_from((LONG, LONGER)), st.sets(names, min_size=1), st.sets(names))
def test_what_is_put_and_removed_leaves_no_trace(
    before: bytes, kept: set[bytes], passing: set[bytes]
) -> None:
    table: PrefixTable[int] = PrefixTable()
    for name in sorted(kept | passing):
        table.put(before + name, 1)
    for name in sorted(passing - kept):
        table.remove(before + name)

    assert len(table) == len(kept)
    assert all(table.matching(before + name) for name in kept)
