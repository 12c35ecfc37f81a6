"""The entries of an answer, as many as fit. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.terms.question_terms import ANSWER_BYTES_MAX, HEAD_BYTES

if TYPE_CHECKING:
    from fanout.answers.languages import Language
    from fanout.answers.view import Told

ROOM_BYTES = ANSWER_BYTES_MAX - HEAD_BYTES


class Page:
    """Owned by who answers.

    Args:
        language: that the entries are encoded in.
        limit: of them.

    Attributes:
        entries: so far.
        more: where the next answer goes on; "": this is the end.
    """

    def __init__(self, language: Language, limit: int) -> None:
        self.entries: list[bytes] = []
        self.more = ""
        self._language = language
        self._left = limit
        self._room = ROOM_BYTES

    def add(self, value: object, instead: object = None) -> bool:
        """Add an entry; False: there is no room for it, and it is to be in the next answer.

        Args:
            instead: what is added if the entry fits into no answer at all.
        """
        if not self._left:
            return False
        entry = self._language.entry(value)
        if len(entry) >= ROOM_BYTES and instead is not None:
            entry = self._language.entry(instead)
        if len(entry) + 1 > self._room:
            return False
        self._room -= len(entry) + 1  # there are commas, in JSON
        self._left -= 1
        self.entries.append(entry)
        return True

    def add_message(self, told: Told, **more: object) -> bool:
        """The same for a message; one that is too large is there without its frames."""
        head = {"sequence": told.sequence, **more}
        short = {**head, "topic": told.topic, "frames": None, "bytes": told.size}
        if told.frames is None or told.size >= ROOM_BYTES:
            return self.add(short)
        return self.add({**head, "frames": told.frames}, short)
