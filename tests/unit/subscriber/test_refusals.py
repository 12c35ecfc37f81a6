"""What a subscriber is not, and says so."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import fanout.asyncio
from fanout import Subscriber
from fanout.subscriber.refusals import PYZMQ_ATTRIBUTES, NotASubSocket

NOBODY = "ipc://@fanout-test-nobody-is-here"


def test_a_subscriber_is_not_pickled_nor_copied() -> None:
    with Subscriber(NOBODY) as subscriber:
        for one in (subscriber, fanout.asyncio.Subscriber(NOBODY)):
            with pytest.raises(TypeError, match="a Subscriber cannot be pickled or copied"):
                pickle.dumps(one)
            with pytest.raises(TypeError, match="since="):
                copy.copy(one)


@pytest.mark.parametrize(
    ("keywords", "problem"),
    [
        ({"queue_byte": 1}, "no argument 'queue_byte'; did you mean 'queue_bytes'"),
        ({"topic": "A"}, "no argument 'topic': it is topics"),
        ({"rcvhwm": 7}, "no argument 'rcvhwm': what may wait is queue_bytes"),
        ({"xyz": 7}, "no argument 'xyz': there are topics, since"),
    ],
)
def test_what_is_no_argument(keywords: dict[str, Any], problem: str) -> None:
    for kind in (Subscriber, fanout.asyncio.Subscriber):
        with pytest.raises(TypeError, match=problem):
            kind(NOBODY, **keywords)


@pytest.mark.parametrize("endpoint", [None, 5556, b"tcp://127.0.0.1:1", [b"tcp://127.0.0.1:1"]])
def test_what_is_no_endpoint(endpoint: Any) -> None:
    with pytest.raises(TypeError, match="an endpoint must be a str"):
        Subscriber(endpoint)


def test_what_a_sub_socket_has() -> None:
    subscriber: Any = fanout.asyncio.Subscriber(NOBODY)
    for name in ("recv_multipart", "RCVHWM"):
        with pytest.raises(AttributeError, match=r"fanout\.Subscriber has no"):
            getattr(subscriber, name)
    with pytest.raises(AttributeError, match="queue_bytes"):
        subscriber.rcvhwm = 7
    assert not {*dir(subscriber)} & PYZMQ_ATTRIBUTES.keys()
    assert not {*PYZMQ_ATTRIBUTES} & {
        name for kind in (Subscriber, fanout.asyncio.Subscriber) for name in vars(kind)
    }
    assert issubclass(Subscriber, NotASubSocket)
