"""Whatever interrupts a loop, the block around it is left as it says: locks and `finally`.

Python 3.13 compiles the jump at the end of some loops to where no `with` and no `try` holds any
more. A signal that comes just there leaves the function past its `finally`, with its locks held:
https://github.com/python/cpython/issues/130279. They are the loops with a condition, those that
end with an `if`, and comprehensions with one, where nothing but a function of their own keeps them
apart from the block.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
INTERRUPTIONS = {"BaseException", "KeyboardInterrupt"}

# Signals interrupt the main thread of users alone; none of these runs there.
ON_THREADS_OF_OUR_OWN = {
    "fanout/coordinator/coordinator.py:_run",
    "fanout/coordinator/interest.py:update",
    "fanout/coordinator/last_orders.py:let_deliver",
    "fanout/ingress/loop.py:_run",
    "fanout/reporting/loop_callback.py:__call__",
    "fanout/security/judges.py:_run",
    "fanout/sockets/threads.py:_run",
    "fanout/subscriber/reading.py:_run",
    "workers/stream/restoring.py:_send_again",
}

Functions = (ast.FunctionDef, ast.AsyncFunctionDef)


def held_by(node: ast.AST) -> list[ast.stmt]:
    """The statements that this one has to hear of the end of, whatever ends them."""
    if isinstance(node, (ast.With, ast.AsyncWith)):
        names = [ast.unparse(item.context_expr) for item in node.items]
        return [] if all(name.startswith("suppress(") for name in names) else node.body
    if not isinstance(node, ast.Try):
        return []
    if node.finalbody:
        return [*node.body, *(one for each in node.handlers for one in each.body), *node.orelse]
    caught = {ast.unparse(each.type) for each in node.handlers if each.type is not None}
    return node.body if caught & INTERRUPTIONS else []


def within(node: ast.AST) -> Iterator[ast.AST]:
    """It, and all below it that is in the same function."""
    yield node
    if not isinstance(node, (*Functions, ast.Lambda, ast.ClassDef)):
        for child in ast.iter_child_nodes(node):
            yield from within(child)


def ends_with_a_condition(node: ast.AST) -> bool:
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp)):
        return any(each.ifs for each in node.generators)
    if isinstance(node, ast.While):
        return not isinstance(node.test, ast.Constant)
    if not isinstance(node, (ast.For, ast.AsyncFor)):
        return False
    last = node.body[-1]
    return isinstance(last, ast.If) and not last.orelse


def let_through(text: str) -> Iterator[tuple[str, int]]:
    """Function and line of each loop whose last jump nothing holds."""
    for function in ast.walk(ast.parse(text)):
        if isinstance(function, Functions):
            nodes = [node for child in function.body for node in within(child)]
            held = [each for node in nodes for each in held_by(node)]
            inside = [node for each in held for node in within(each)]
            for line in sorted({n.lineno for n in inside if ends_with_a_condition(n)}):  # type: ignore[attr-defined]
                yield function.name, line


def test_no_loop_of_a_user_lets_an_interruption_through() -> None:
    found = {}
    for folder in ("fanout", "workers"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            for function, line in let_through(path.read_text()):
                found[f"{name}:{function}"] = line
    unknown = {where: line for where, line in found.items() if where not in ON_THREADS_OF_OUR_OWN}
    assert unknown == {}, "give the loop a function of its own, outside the block"
    assert found.keys() >= ON_THREADS_OF_OUR_OWN, "not there any more: allow it no longer"


@pytest.mark.parametrize(
    ("block", "loop", "is_found"),
    [
        ("with lock:", "while some: take()", True),
        ("with lock:", "for one in some:\n   if one: take()", True),
        ("try:", "while some: take()", True),
        ("with lock:", "took = [one for one in some if one]", True),
        ("with lock:", "for one in some: take()", False),
        ("with lock:", "took = [one for one in some]", False),
        ("with lock:", "while True:\n   if one: break\n   take()", False),
        ("with suppress(KeyError):", "while some: take()", False),
        ("if some:", "while some: take()", False),
        ("with lock:", "def inner():\n   while some: take()", False),
    ],
)
def test_loops_are_found_that_let_an_interruption_through(
    block: str, loop: str, is_found: bool
) -> None:
    end = "\n finally: leave()" if block == "try:" else ""
    assert any(let_through(f"def f():\n {block}\n  {loop}{end}\n")) == is_found
