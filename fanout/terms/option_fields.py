"""What an option may be: each field of `Options` checks its value, and says what is wrong."""

from __future__ import annotations

from dataclasses import Field, field
from typing import TYPE_CHECKING, Any, TypeVar

from fanout.errors import ConfigError
from fanout.terms.arguments import read_size, shown

if TYPE_CHECKING:
    from collections.abc import Callable

N = TypeVar("N", int, float)
T = TypeVar("T")


def number(default: N, low: float, high: float) -> N:
    """An option that is a number from `low` to `high`, a whole one if its default is."""

    def check(option: Field[N], value: object) -> None:
        whole = isinstance(default, int)
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            kind = "a whole number" if whole else "a number"
            raise ConfigError(f"{option.name} must be {kind}, not {shown(value)}")
        if not low <= value <= high:
            raise ConfigError(f"{option.name}={shown(value)} is out of range {low:,} to {high:,}")

    return field(default=default, metadata={"check": check, "range": (low, high)})


def size(default: int, low: int, high: int) -> int:
    """An option that is a number of bytes from `low` to `high`; a text such as "64M" is read."""

    def check(option: Field[int], value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ConfigError(
                f"{option.name} must be a whole number of bytes, or a size such as '64M' or "
                f"'1 GiB', not {shown(value)}"
            )
        if not low <= value <= high:
            raise ConfigError(f"{option.name}={shown(value)} is out of range {low:,} to {high:,}")

    metadata = {"check": check, "range": (low, high), "read": read_size}
    return field(default=default, metadata=metadata)


def optional_size(default: int | None, low: int, high: int) -> int | None:
    """As `size()`, or None."""
    required: Any = size(0, low, high)

    def check(option: Field[Any], value: object) -> None:
        if value is not None:
            required.metadata["check"](option, value)

    return field(default=default, metadata={**required.metadata, "check": check})


def one_of(default: T, choices: tuple[T, ...]) -> T:
    """An option that is one of a few values."""

    def check(option: Field[T], value: object) -> None:
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            choice_texts = " or ".join(map(repr, choices))
            raise ConfigError(f"{option.name} must be {choice_texts}, not {shown(value)}")

    return field(default=default, metadata={"check": check, "choices": choices})


def text(default: str, limit: int) -> str:
    """An option that is a text of so many bytes in UTF-8, fit to be shown on a terminal."""

    def check(option: Field[str], value: object) -> None:
        if not isinstance(value, str):
            raise ConfigError(f"{option.name} must be a str, not {shown(value)}")
        if not value.isprintable():
            raise ConfigError(f"{option.name}={shown(value)} has characters that cannot be shown")
        length = len(value.encode())
        if length > limit:
            raise ConfigError(f"{option.name} takes {length} bytes of UTF-8, {limit} are allowed")

    return field(default=default, metadata={"check": check})


def made_by(make: Callable[[str, object], object], default: T, choices: tuple[Any, ...] = ()) -> T:
    """An option that `make(name, value)` understands, or raises a ConfigError that names it."""

    def check(option: Field[T], value: object) -> None:
        make(option.name, value)

    return field(default=default, metadata={"check": check, "choices": choices})
