"""Numbers and texts for people, in a few characters, and safe for their terminal. Pure."""

from __future__ import annotations

import unicodedata


def short_count(value: float) -> str:
    """Returns `value` in at most five characters: 999, 1.2k, 34k, 5.6M."""
    return _short(value, 1000.0, ("", "k", "M", "G", "T"))


def short_size(value: float) -> str:
    """Returns a number of bytes with its unit: 512 B, 1.2 KiB, 34 MiB."""
    return _short(value, 1024.0, (" B", " KiB", " MiB", " GiB", " TiB"))


def _short(value: float, step: float, units: tuple[str, ...]) -> str:
    index = 0
    while value >= step - 0.5 and index < len(units) - 1:
        value /= step
        index += 1
    digits = 1 if index and value < 9.95 else 0
    return f"{value:.{digits}f}{units[index]}"


def plural(number: int, word: str) -> str:
    """Returns a number with its word: 1 message, 2,000 messages."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def short_time(seconds: float) -> str:
    """Returns a length of time with its unit: 0.3 s, 12 s, 5 min, 2 h 5 min, 3 d 4 h."""
    if seconds < 120:
        digits = 1 if seconds < 9.95 else 0
        return f"{max(0.0, seconds):.{digits}f} s"
    minutes = int(seconds // 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


def printable(text: str) -> str:
    r"""Returns a text that cannot speak to a terminal: control characters come out as `\x1b`.

    What turns the direction of writing around, or takes no room, is escaped as well.
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text
    )


def width_of(text: str) -> int:
    """Returns how many cells of a terminal a printable text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(one) else 1 + (unicodedata.east_asian_width(one) in "WF")
        for one in text
    )
