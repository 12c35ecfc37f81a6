"""Keys of a terminal, out of the bytes that it sends for them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ESCAPE = "\x1b"

# What terminals send for keys that are no character: with cursor keys in either mode.
_SEQUENCES = {
    "[A": "up",
    "[B": "down",
    "[C": "right",
    "[D": "left",
    "OA": "up",
    "OB": "down",
    "OC": "right",
    "OD": "left",
    "[5~": "page up",
    "[6~": "page down",
    "[H": "home",
    "[F": "end",
    "OH": "home",
    "OF": "end",
    "[1~": "home",
    "[4~": "end",
}
_CHARACTERS = {
    "\r": "enter",
    "\n": "enter",
    "\x7f": "backspace",
    "\x08": "backspace",
    "\x15": "clear",  # Ctrl-U
    "\x0c": "redraw",  # Ctrl-L
    "\x04": "end of input",  # Ctrl-D
}


def keys_of(data: bytes) -> Iterator[str]:
    """The keys in what one read has returned: a character as itself, others by name.

    A terminal sends what belongs to one key at once, so an escape with nothing behind it is the
    key Esc. A sequence that is not known, and a character that is not printable, is no key.
    """
    text = data.decode("utf-8", "ignore")
    place = 0
    while place < len(text):
        one = text[place]
        place += 1
        if one == _ESCAPE:
            length = _length_of(text[place:])
            rest = text[place : place + length]
            place += length
            if not rest:
                yield "escape"
            elif rest in _SEQUENCES:
                yield _SEQUENCES[rest]
        elif one in _CHARACTERS:
            yield _CHARACTERS[one]
        elif one.isprintable():
            yield one


def _length_of(text: str) -> int:
    """How many characters behind an escape belong to its sequence."""
    if text[:1] == "O":
        return min(2, len(text))
    if text[:1] != "[":
        return 0
    for place, one in enumerate(text[1:], 1):
        if "@" <= one <= "~":  # the final byte of a control sequence (ECMA-48)
            return place + 1
    return len(text)
