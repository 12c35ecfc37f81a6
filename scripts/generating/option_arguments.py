"""The options as keyword arguments, written out for type checkers, which run nothing. Pure.

`Unpack` takes a `TypedDict` alone, and that must stand in a file; so it is made of the fields of
`fanout.options.Options`, of which each person who adds an option writes one.
"""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SOURCE = "fanout/options.py"
TARGET = "fanout/terms/option_arguments.py"

# Of the functions in `fanout/terms/option_fields.py` those whose options may be text too, "64M".
SIZES = ("size", "optional_size")

_HEAD = '''"""The options as keyword arguments, for type checkers and editors.

Written by `scripts/options` from `fanout/options.py`, and not by hand. Programs that make no
mistake never load it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
'''
_CLASS = '''

class OptionArguments(TypedDict, total=False):
    """What `Publisher` takes by name; see `fanout.options.Options`. Sizes may be text, "64M"."""

'''


def text_for(options: str) -> str:
    """The text of TARGET for that of SOURCE."""
    tree = ast.parse(options)
    [kind] = [each for each in tree.body if isinstance(each, ast.ClassDef)]
    fields = [each for each in kind.body if isinstance(each, ast.AnnAssign)]
    lines = [f"    {ast.unparse(field.target)}: {_type_of(field)}\n" for field in fields]
    return "".join((_HEAD, *_imports(tree, fields), _CLASS, *lines))


def _type_of(field: ast.AnnAssign) -> str:
    """What the argument may be; the field has what it is read as."""
    made_by = ast.unparse(field.value.func) if isinstance(field.value, ast.Call) else ""
    kind = ast.unparse(field.annotation)
    return kind.replace("int", "int | str", 1) if made_by in SIZES else kind


def _imports(tree: ast.Module, fields: Iterable[ast.AnnAssign]) -> Iterator[str]:
    """Lines by which the names are imported that stand in the types."""
    used = {
        node.id
        for field in fields
        for node in ast.walk(field.annotation)
        if isinstance(node, ast.Name)
    }
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = {alias.name for alias in node.names} & used
            if names:
                found.setdefault(node.module, set()).update(names)
    standard = [each for each in found if each.partition(".")[0] in sys.stdlib_module_names]
    ours = found.keys() - standard
    for module in sorted(standard):
        yield _import(module, found[module])
    if standard and ours:
        yield "\n"
    for module in sorted(ours):
        yield _import(module, found[module])


def _import(module: str, names: Iterable[str]) -> str:
    return f"    from {module} import {', '.join(sorted(names))}\n"
