"""Mistakes made on purpose: what takes the place of a method, by the name of the mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    # The owner of what is replaced, its name there, and what takes its place.
    Mutation: TypeAlias = tuple[Any, str, Any]
    Mistake: TypeAlias = Callable[..., Any]


def replacing(known: dict[str, Mutation]) -> Callable[[Any, str], Callable[[Mistake], Mistake]]:
    """A decorator that enters mistakes into `known`.

    What is decorated takes the place of a method, and gets the original first.
    """

    def replaces(owner: Any, attribute: str) -> Callable[[Mistake], Mistake]:
        def register(mistake: Mistake) -> Mistake:
            original = getattr(owner, attribute)

            def broken(*arguments: Any, **keywords: Any) -> Any:
                return mistake(original, *arguments, **keywords)

            known[mistake.__name__] = (owner, attribute, broken)
            return mistake

        return register

    return replaces
