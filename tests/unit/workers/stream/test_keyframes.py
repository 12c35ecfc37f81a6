"""Keyframes in the index of a log: found wherever it was left, against a naive search."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fanout.shm.value_layout import KEYFRAME
from fanout.workers.stream.keyframes import Keyframes
from fanout.workers.tuning import ShowTuning

# What is in the index: a topic, and whether the message is a keyframe of it.
MESSAGES = st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=60)


class Index:
    """The part of a log that is asked; below `floor` nothing may be read."""

    def __init__(self, messages: list[tuple[int, bool]]) -> None:
        self.ids = [topic | KEYFRAME if is_key else topic for topic, is_key in messages]
        self.floor = 0
        self.entries = 40  # of which more than there are may be protected

    def topic_ids(self, first: int, stop: int) -> list[int]:
        assert self.floor <= first < stop <= len(self.ids)
        return self.ids[first:stop]


@given(MESSAGES, st.data())
def test_the_last_one_before_any_message_is_found(
    messages: list[tuple[int, bool]], data: st.DataObject
) -> None:
    index = Index(messages)
    few = ShowTuning(messages_per_look=5)
    found = Keyframes(index, few)  # type: ignore[arg-type]  # all that it asks
    stop = 0
    for _ in range(4):
        index.floor = data.draw(st.integers(index.floor, len(messages)))
        stop = data.draw(st.integers(max(stop, index.floor), len(messages)))
        # Some are further behind than others before them; what they ask for is protected.
        first = data.draw(st.integers(index.floor, stop))
        while not found.advance(first, stop):
            pass
        for topic in range(5):
            for until in range(first, stop + 1):
                keys = [s for s in range(until) if messages[s] == (topic, True)]
                last = found.last_before(topic, until)
                if keys and keys[-1] >= first:
                    assert last == keys[-1]
                else:
                    assert last is None or last < first
        low = max(0, min(first, stop - 30))
        assert len(found) <= 2 * sum(is_key for _, is_key in messages[low:]) + 1


def test_it_is_looked_for_in_slices_and_no_message_twice() -> None:
    index = Index([(1, number == 3) for number in range(35)])
    index.entries = 50
    looked: list[int] = []
    read = index.topic_ids

    def topic_ids(first: int, stop: int) -> list[int]:
        looked.extend(range(first, stop))
        return read(first, stop)

    index.topic_ids = topic_ids  # type: ignore[method-assign]
    found = Keyframes(index, ShowTuning(messages_per_look=10))  # type: ignore[arg-type]
    assert [found.advance(0, 35) for _ in range(5)] == [False, False, False, True, True]
    assert found.advance(20, 35)
    assert looked == [*range(35)]
    assert found.last_before(1, 35) == 3, "others may be there yet"
    index.entries = 20
    assert found.advance(20, 35)
    assert found.last_before(1, 35) is None, "3 is gone"
    assert looked == [*range(35)]
