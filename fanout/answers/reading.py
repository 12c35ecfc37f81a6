"""What a question says, checked: each refusal names the member, and what it must be. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fanout.answers.languages import bytes_of
from fanout.terms.arguments import did_you_mean, shown
from fanout.terms.question_terms import (
    ENTRIES_MAX,
    ID_BYTES_MAX,
    TOPIC_BYTES_MAX,
    TOPICS_MAX,
    VERSION,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

NUMBERS_END = 1 << 63
_EPOCH = re.compile(r"[0-9a-f]{16}", re.ASCII)
_AFTER = re.compile(r"[0-9]{1,19}(\.[0-9]{1,19})?", re.ASCII)

# What may be asked, and with what beside `version`, `id` and `ask`.
MEMBERS: dict[str, tuple[str, ...]] = {
    "now": (),
    "last": ("topics", "prefix", "after", "limit"),
    "topics": ("prefix", "after", "limit"),
    "log": ("from", "to", "epoch", "prefix", "after", "limit"),
}
_COMMON = ("version", "id", "ask")


class QuestionError(Exception):
    """It cannot be answered, and why.

    Attributes:
        code: for programs, from a fixed list.
        more: other members of the error.
    """

    def __init__(self, code: str, text: str, **more: object) -> None:
        super().__init__(text)
        self.code = code
        self.more = more


@dataclass(frozen=True, slots=True)
class Question:
    """One that can be answered."""

    ask: str
    topics: tuple[bytes, ...] | None  # None: all with the prefix
    prefix: bytes
    after: tuple[int, ...]  # what the answer before said; (): it is the first
    limit: int  # entries
    first: int  # sequence; below 0: so many before the next one
    stop: int | None  # sequence
    epoch: str  # "": any


def id_of(said: object) -> object:
    """What the asker calls its question; None: nothing that can be said again."""
    if not isinstance(said, dict):
        return None
    name = said.get("id")
    if isinstance(name, bool) or not isinstance(name, int | str | bytes):
        return None
    if isinstance(name, int):
        return name if -NUMBERS_END <= name < NUMBERS_END else None
    data = bytes_of(name)
    return None if data is None or len(data) > ID_BYTES_MAX else name


def question_of(said: object) -> Question:
    """Read what was asked.

    Raises:
        QuestionError: it cannot be answered.
    """
    if not isinstance(said, dict):
        raise QuestionError("not_understood", f"a question is a map, not {type(said).__name__}")
    version = said.get("version", VERSION)
    if version != VERSION or isinstance(version, bool):
        text = f"version {shown(version)} is not known here"
        raise QuestionError("version", text, versions=[VERSION])
    ask = said.get("ask")
    if not isinstance(ask, str) or ask not in MEMBERS:
        text = f"ask must be one of {', '.join(MEMBERS)}, not {shown(ask)}"
        raise QuestionError("unknown", text)
    known = (*_COMMON, *MEMBERS[ask])
    for member in said:
        if member not in known:
            hint = did_you_mean(member, known)
            raise _invalid(f"{ask!r} has no {shown(member)}{hint}: it has {', '.join(known)}")
    if said.get("id") is not None and id_of(said) is None:
        raise _invalid(f"id must be a whole number or a text of up to {ID_BYTES_MAX} bytes")
    topics = _topics(said)
    return Question(
        ask,
        topics,
        _topic(said.get("prefix", b""), "prefix"),
        _after(said),
        _number(said, "limit", ENTRIES_MAX, 1, ENTRIES_MAX),
        _number(said, "from", 0, -NUMBERS_END, NUMBERS_END - 1),
        _number(said, "to", 0, 0, NUMBERS_END - 1) if "to" in said else None,
        _epoch(said),
    )


def _invalid(text: str) -> QuestionError:
    return QuestionError("invalid", text)


def _topics(said: Mapping[Any, Any]) -> tuple[bytes, ...] | None:
    if "topics" not in said:
        return None
    if "prefix" in said:
        raise _invalid("topics and prefix do not go together")
    topics = said["topics"]
    if not isinstance(topics, list) or not 1 <= len(topics) <= TOPICS_MAX:
        raise _invalid(f"topics must be a list of 1 to {TOPICS_MAX:,} topics")
    return tuple(_topic(topic, "each of topics") for topic in topics)


def _topic(said: object, name: str) -> bytes:
    topic = bytes_of(said)
    if topic is None:
        raise _invalid(f'{name} must be text, bytes, or {{"base64": "..."}}, not {shown(said)}')
    if len(topic) > TOPIC_BYTES_MAX:
        raise _invalid(f"{name} must have up to {TOPIC_BYTES_MAX} bytes, not {len(topic):,}")
    return topic


def _number(said: Mapping[Any, Any], name: str, default: int, low: int, high: int) -> int:
    number = said.get(name, default)
    if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
        raise _invalid(f"{name} must be a whole number, {low:,} to {high:,}, not {shown(number)}")
    return number


def _epoch(said: Mapping[Any, Any]) -> str:
    epoch = said.get("epoch", "")
    if "epoch" in said and not (isinstance(epoch, str) and _EPOCH.fullmatch(epoch)):
        raise _invalid(f"epoch must be 16 hex digits, as an answer has them, not {shown(epoch)}")
    return str(epoch)


def _after(said: Mapping[Any, Any]) -> tuple[int, ...]:
    after = said.get("after", "")
    if "after" in said and not (isinstance(after, str) and _AFTER.fullmatch(after)):
        raise _invalid(f"after must be what an answer has as more, not {shown(after)}")
    return tuple(map(int, after.split("."))) if after else ()
