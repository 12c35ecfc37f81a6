"""Who awaits what is not awaited is found, and nobody else, however Python runs the code."""

from __future__ import annotations

import functools
import sys
import weakref
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from fanout.terms.awaiting import FirstCall, awaited_name, is_awaited, is_ours, refuse_await

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


class Ready:
    """What can be awaited, and is there at once: what is awaited here is not refused by Python."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield

    def __or__(self, other: Ready) -> Ready:
        return other


class Owner:
    """What has a verb that looks at each call of it; `found` is what it has seen."""

    __slots__ = ("__weakref__", "found")

    def __init__(self) -> None:
        self.found: list[str] = []

    def verb(self, *_given: object, **_named: object) -> Ready:
        verb = sys._getframe()
        caller = verb.f_back
        assert caller is not None
        may_be = is_awaited(caller.f_code, caller.f_lasti)
        self.found.append(awaited_name(verb, caller) if may_be else "")
        return Ready()

    other = verb  # by another name than its own, as what is put over it


class Holder:
    """What has an owner, in a slot."""

    __slots__ = ("more", "owner")

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.more = SimpleNamespace(owner=owner)

    @property
    def made(self) -> Owner:
        return self.owner


class Derived(Owner):
    """A class of a user's that has no verb of its own."""


def wrap(ready: Ready, *_more: object) -> Ready:
    return ready


SETTING = """
from tests.unit.terms.test_awaiting import Holder, Owner, Ready, wrap
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace

async def call(owner):
    holder, x, many = Holder(owner), 1, (1, 2)
    alias = getattr(owner, "verb", None)
{}
"""

AWAITED = {
    "alone": "await owner.verb()",
    "with arguments": "await owner.verb(x, [x, owner], many[0])",
    "by name": "await owner.verb(x, a=x, b=holder.owner)",
    "with many": "await owner.verb(*many, **{})",
    "of a slot": "await holder.owner.verb(x)",
    "of a dictionary": "await holder.more.owner.verb(x)",
    "in an expression": "many = (x, await owner.verb(x), await owner.verb())",
    "over lines": "await (holder.more\n        .owner\n        .verb(\n        x))",
    "in another call": "wrap(await owner.verb(x), owner)",
    "in a try": "try:\n        await owner.verb()\n    finally:\n        pass",
    "in a list": "[await owner.verb(one) for one in many]",
    "in another function": "async def inner():\n        await owner.verb()\n    await inner()",
    "in a generator": "[one async for one in (await owner.verb(one) for one in many)]",
    "beside another": "await wrap(Ready()); await owner.verb(x)",
    "with a condition in it": "await owner.verb(x if many else owner)",
    "with a call in it": "await owner.verb(wrap(Ready()))",
}
NOT_SEEN = {
    "not awaited": "owner.verb(x)",
    "its result goes to what is awaited": "await wrap(owner.verb())",
    "the same by name": "await wrap(ready=owner.verb())",
    "it is one of two": "await (owner.verb() | Ready())",
    "it is one of either": "await (owner.verb() and Ready())",
    "kept first": "ready = owner.verb()\n    await ready",
    "by C": "await wrap(*map(owner.verb, many))",
    "in C, whose result is awaited": "await next(map(owner.verb, many))",
    "by C that is called alike": "await SimpleNamespace(verb=partial(owner.verb)).verb()",
    "by C that is kept": "holder.more.verb = partial(owner.verb)\n    await holder.more.verb()",
    "by a name of one's own": "await alias()",
    "by a property, which is the user's": "await holder.made.verb()",
    "of one of many": "await (owner, 1)[0].verb()",
    "by another name": "await owner.other()",
    "of what is called": "await wrap(owner).verb()",
    "in a function that returns": "await (lambda: owner.verb())()",
    "in a block": "async with nullcontext(owner.verb()): pass",
}


def compile_call(code: str) -> Any:
    """A coroutine function that does this with an owner."""
    made: dict[str, Any] = {"__name__": "of_a_user"}
    exec(SETTING.format(f"    {code}"), made)
    return made["call"]


def run(made: Any) -> None:
    """A coroutine that waits for nothing."""
    with pytest.raises(StopIteration):
        made.send(None)


@contextmanager
def traced() -> Iterator[None]:
    """With a tracer, as of a debugger or of coverage."""

    def trace(frame: Any, _event: str, _value: object) -> Any:
        frame.f_trace_opcodes = True
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("name", AWAITED)
def test_what_is_awaited_is_seen(name: str) -> None:
    call, owner = compile_call(AWAITED[name]), Owner()
    run(call(owner))
    assert set(owner.found) == {"verb"}


@pytest.mark.parametrize("name", AWAITED)
def test_also_when_the_interpreter_has_specialised_it(name: str) -> None:
    call, owner = compile_call(AWAITED[name]), Owner()
    for _ in range(100):
        run(call(owner))
    assert set(owner.found) == {"verb"}


@pytest.mark.parametrize("name", AWAITED)
def test_also_when_it_is_traced(name: str) -> None:
    call, owner = compile_call(AWAITED[name]), Owner()
    for _ in range(3):
        with traced():
            run(call(owner))
    assert set(owner.found) == {"verb"}


@pytest.mark.parametrize("name", NOT_SEEN)
@pytest.mark.parametrize("times", [1, 100])
def test_nobody_else_is(name: str, times: int) -> None:
    call, owner = compile_call(NOT_SEEN[name]), Owner()
    for _ in range(times):
        run(call(owner))
    with traced():
        run(call(owner))
    assert set(owner.found) == {""}


def test_a_class_of_the_users_is_seen_if_it_has_no_verb_of_its_own() -> None:
    owner = Derived()
    run(compile_call("await owner.verb()")(owner))
    assert owner.found == ["verb"]

    class Own(Owner):
        async def verb(self, *_given: object) -> None:  # type: ignore[override]
            await super().verb()

    own = Own()
    run(compile_call("await owner.verb()")(own))
    assert own.found == [""]


def test_a_verb_that_is_put_over_it_in_c_is_not() -> None:
    """It returns what can be awaited, and has no frame."""

    class Own(Owner):
        verb = functools.partialmethod(Owner.verb)

    owner = Own()
    run(compile_call("await owner.verb()")(owner))
    assert owner.found == [""]


@pytest.mark.filterwarnings("ignore:functools.partial will be a method descriptor:FutureWarning")
def test_a_verb_of_another_one_is_not() -> None:
    """What is called may call another one of its kind by C, and have no frame itself."""
    owner, other = Owner(), Owner()
    run(compile_call("holder.more.verb = owner.verb\n    await holder.more.verb()")(owner))
    assert owner.found == [""]

    class Own(Owner):
        verb = functools.partial(Owner.verb, other)

    run(compile_call("await owner.verb()")(Own()))
    assert other.found == [""]


def test_without_columns_nothing_is_certain() -> None:
    """As with `-X no_debug_ranges`."""
    call, owner = compile_call("await owner.verb()"), Owner()
    call.__code__ = call.__code__.replace(co_linetable=b"")
    run(call(owner))
    assert owner.found == [""]


def test_a_frame_that_has_not_begun_awaits_nothing() -> None:
    code = compile_call("await owner.verb()").__code__
    assert not is_awaited(code, -1)
    assert not is_awaited(code, len(code.co_code) - 2)


def test_who_is_ours() -> None:
    assert is_ours("fanout")
    assert is_ours("fanout.send.batch")
    assert not is_ours("fanout_feed")
    assert not is_ours(None)


class Feed:
    """As ours: its verbs are in a module of fanout."""

    def __init__(self) -> None:
        self.done: list[object] = []
        self.do = FirstCall(weakref.ref(self), "do", self.done.append, "{}() is not awaited")


exec(  # the same, as if it were ours
    "def send(self, value):\n    self.do(value)\n"
    "def close(self):\n    refuse_await('{}() of ours')\n    self.done.append('end')\n"
    "def stop(self):\n    self.close()\n",
    {"__name__": "fanout.ours", "refuse_await": refuse_await},
    made := {},  # type: ignore[var-annotated]
)
for _name, _method in made.items():
    setattr(Feed, _name, _method)


def test_what_is_awaited_is_refused_before_it_is_done() -> None:
    feed: Any = Feed()
    for name in ("close", "stop"):
        call = compile_call(f"await owner.{name}()")
        for _ in range(3):
            with pytest.raises(TypeError, match=rf"^{name}\(\) of ours"):
                call(feed).send(None)
    assert not feed.done
    run(compile_call("owner.stop()")(feed))
    feed.close()
    assert feed.done == ["end", "end"]


def test_the_first_call_is_looked_at_until_one_is_not_awaited() -> None:
    feed: Any = Feed()
    call = compile_call("await owner.send(x)")
    for _ in range(3):
        with pytest.raises(TypeError, match=r"^send\(\) is not awaited"):
            call(feed).send(None)
    assert not feed.done
    feed.send("first")
    assert type(feed.do) is not FirstCall
    with pytest.raises(TypeError, match="object NoneType can't be used in 'await' expression"):
        call(feed).send(None)
    assert feed.done == ["first", 1]
