"""What a producer is not, and says so."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import fanout.asyncio
from fanout import Producer
from fanout.terms.not_a_push_socket import ATTRIBUTES
from fanout.terms.refusals import PYZMQ_ATTRIBUTES

NOBODY = "ipc://@fanout-test-nobody-is-here"
# What a publisher says of these is so of a producer, too.
AS_OF_A_PUBLISHER = {
    *("send_pyobj", "send_unicode", "send_serialized", "copy_threshold"),
    *("context", "term", "destroy"),
}


@pytest.mark.parametrize("name", sorted(PYZMQ_ATTRIBUTES.keys() & ATTRIBUTES.keys()))
def test_what_a_push_socket_has_is_refused_in_words_of_a_producer(name: str) -> None:
    with Producer(NOBODY) as made:
        producer: Any = made
        for spelling in (name, name.upper()):
            with pytest.raises(AttributeError, match=rf"fanout\.Producer has no '{spelling}': "):
                getattr(producer, spelling)
        with pytest.raises(AttributeError, match=r"fanout\.Producer has no"):
            setattr(producer, name, 1)
    with pytest.raises(AttributeError, match=r"fanout\.Producer has no"):
        getattr(fanout.asyncio.Producer, name)


def test_nothing_is_refused_that_is_there() -> None:
    for kind in (Producer, fanout.asyncio.Producer):
        assert not vars(kind).keys() & ATTRIBUTES.keys()
    assert ATTRIBUTES.keys() <= PYZMQ_ATTRIBUTES.keys()
    assert not ATTRIBUTES.keys() & AS_OF_A_PUBLISHER


def test_a_producer_is_not_pickled() -> None:
    with Producer(NOBODY) as producer, pytest.raises(TypeError, match="a connection of its own"):
        pickle.dumps(producer)
