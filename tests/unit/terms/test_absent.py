"""What is not there is neither read nor set; a class of the user's may have names of its own."""

from __future__ import annotations

from typing import Any

import pytest

import fanout.sockets.asyncio
from fanout import Producer, Publisher, Subscriber
from fanout.sockets import Dealer
from fanout.sockets.refusals import PYZMQ_ATTRIBUTES as OF_SOCKETS
from fanout.subscriber.refusals import PYZMQ_ATTRIBUTES as OF_SUBSCRIBERS
from fanout.terms.absent import NO_OPTIONS, Absent, refuse_attributes
from fanout.terms.not_a_push_socket import ATTRIBUTES as OF_PRODUCERS
from fanout.terms.refusals import PYZMQ_ATTRIBUTES as OF_PUBLISHERS

KINDS = (Publisher, Producer, Subscriber, Dealer, fanout.sockets.asyncio.Dealer)


class Ours:
    """As what users hold: with slots alone."""

    __slots__ = ()


refuse_attributes(Ours, {"linger": "close()", "context": "none"}, "there is no {!r}")


class Theirs(Ours):
    """What a user makes of it."""


@pytest.mark.parametrize("name", ["linger", "LINGER", "context", "CONTEXT"])
def test_what_is_ours_has_none_of_them(name: str) -> None:
    ours = Ours()
    with pytest.raises(AttributeError, match=f"there is no '{name}': "):
        getattr(ours, name)
    with pytest.raises(AttributeError, match=f"there is no '{name}': "):
        setattr(ours, name, 1)
    with pytest.raises(AttributeError, match=f"there is no '{name}': "):
        delattr(ours, name)


def test_a_class_of_the_users_may_have_what_is_no_option() -> None:
    one, other = Theirs(), Theirs()
    one.context = 7  # type: ignore[attr-defined]  # of the user's own
    assert getattr(one, "context", None) == 7
    with pytest.raises(AttributeError, match="there is no 'context'"):
        _ = other.context  # type: ignore[attr-defined]
    del one.context  # type: ignore[attr-defined]
    assert not hasattr(one, "context")
    with pytest.raises(AttributeError, match="there is no 'context'"):
        del one.context  # type: ignore[attr-defined]


def test_an_option_would_be_ignored_and_is_refused() -> None:
    theirs: Any = Theirs()
    with pytest.raises(AttributeError, match="there is no 'linger': close"):
        theirs.linger = 0


def test_unless_the_class_has_it() -> None:
    class Own(Ours):
        linger: object = None

    own = Own()
    own.linger = 3
    assert own.linger == 3


@pytest.mark.parametrize("kind", KINDS)
def test_what_users_inherit_from(kind: type) -> None:
    theirs: Any = type("Theirs", (kind,), {})
    made = theirs.__new__(theirs)  # nothing of it is begun
    made.context = made.monitor = 7
    assert (made.context, made.monitor) == (7, 7)
    with pytest.raises(AttributeError, match="close"):
        made.linger = 0


def test_what_is_no_option_is_refused_somewhere() -> None:
    refused = {*OF_SOCKETS, *OF_SUBSCRIBERS, *OF_PRODUCERS, *OF_PUBLISHERS}
    assert refused >= NO_OPTIONS
    assert not NO_OPTIONS & {"linger", "sndhwm", "rcvhwm", "sndtimeo", "conflate", "identity"}
    assert isinstance(vars(Ours)["linger"], Absent)
