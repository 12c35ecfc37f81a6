"""From the bytes of a question to the bytes of its answer. Pure.

Whatever is asked is answered: what cannot be is answered with why not, in the language in which it
was asked. Topics that may not be asked for are as if they did not exist where many are meant, and
refused where they are named, whether there are such or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fanout.answers.languages import NotUnderstood, language_of
from fanout.answers.page import Page
from fanout.answers.reading import Question, QuestionError, id_of, question_of
from fanout.answers.view import UnsettledError
from fanout.terms.question_terms import ERROR_SHOWN_MAX, QUESTION_BYTES_MAX, STRIDE, VERSION
from fanout.terms.reserved import RESERVED

if TYPE_CHECKING:
    from collections.abc import Callable

    from fanout.answers.languages import Language
    from fanout.answers.survey import Surveyor
    from fanout.answers.view import Told, View, Watch

LOOK_EACH = 32  # messages between looks at the clock


class Answer(NamedTuple):
    """What is sent back."""

    data: bytes
    error: str  # its code; "" = it is none


class Replies:
    """Answers questions about one publisher. Owned by one thread.

    Args:
        allowed: prefixes of the topics that may be asked for; None = all.
    """

    def __init__(self, view: View, surveyor: Surveyor, allowed: tuple[bytes, ...] | None) -> None:
        self._view = view
        self._surveyor = surveyor
        self._allowed = allowed
        self._asks: dict[str, Callable[[Question, Page, Watch], dict[str, object]]] = {
            "now": self._now,
            "last": self._last,
            "topics": self._topics,
            "log": self._log,
        }

    def answer(self, data: bytes, watch: Watch) -> Answer:
        """Answer a question, whatever it is."""
        if len(data) > QUESTION_BYTES_MAX:
            text = f"a question has up to {QUESTION_BYTES_MAX:,} bytes, not {len(data):,}"
            return refusal(language_of(data), None, QuestionError("too_large", text))
        language = language_of(data)
        name: object = None
        try:
            said = language.read(data)
            name = id_of(said)
            question = question_of(said)
            return Answer(self._whole(language, name, question, watch), "")
        except NotUnderstood as error:
            return refusal(language, name, QuestionError("not_understood", str(error)))
        except RecursionError:
            text = "it has too many maps and lists in each other"
            return refusal(language, None, QuestionError("not_understood", text))
        except QuestionError as error:
            return refusal(language, name, error)
        except UnsettledError as error:
            return refusal(language, name, QuestionError("unsettled", str(error)))

    def _whole(self, language: Language, name: object, question: Question, watch: Watch) -> bytes:
        head: dict[str, object] = {"version": VERSION}
        if name is not None:
            head["id"] = name
        head |= {"epoch": self._view.epoch, "sequence": self._view.head()}
        page = Page(language, question.limit)
        head |= self._asks[question.ask](question, page, watch)
        if page.more:
            head["more"] = page.more
        return language.whole(head, LISTS[question.ask], page.entries)

    # What may be asked.

    def _now(self, question: Question, page: Page, watch: Watch) -> dict[str, object]:
        del question, page, watch
        return {"oldest": self._view.oldest(), "last_values": self._view.keeps_values}

    def _last(self, question: Question, page: Page, watch: Watch) -> dict[str, object]:
        if not self._view.keeps_values:
            raise QuestionError("not_kept", "this publisher keeps no last values")
        if question.topics is not None:
            self._last_of_topics(question, page, watch)
        else:
            self._last_of_prefix(question, page, watch)
        return {}

    def _last_of_topics(self, question: Question, page: Page, watch: Watch) -> None:
        topics = question.topics or ()
        for topic in topics:
            self._check(topic)
        begin = question.after[0] if question.after else 0
        for index, topic in enumerate(topics[begin:], begin):
            if index > begin and watch.is_over():
                page.more = str(index)
                return
            told = self._view.last(topic)
            if not (page.add(None) if told is None else self._add_value(page, told)):
                page.more = str(index)
                return

    def _last_of_prefix(self, question: Question, page: Page, watch: Watch) -> None:
        begin = first = question.after[0] if question.after else 1
        places = self._view.places
        while first < places:
            stop = min(places, first + STRIDE)
            for count, (place, topic) in enumerate(self._view.topics_at(first, stop)):
                if not self._is_meant(topic, question.prefix):
                    continue
                if count % LOOK_EACH == 0 and place > begin and watch.is_over():
                    page.more = str(place)
                    return
                told = self._view.last(topic)
                if told is not None and not self._add_value(page, told):
                    page.more = str(place)
                    return
            first = stop
            if first < places and watch.is_over():
                page.more = str(first)
                return

    def _add_value(self, page: Page, told: Told) -> bool:
        return page.add_message(told, age=round(self._view.age(told.sequence), 3))

    def _topics(self, question: Question, page: Page, watch: Watch) -> dict[str, object]:
        surveyor = self._surveyor
        if len(question.after) == 2:
            survey, begin = surveyor.find(question.after[0]), question.after[1]
            if survey is None:
                raise QuestionError("gone", "this list is not kept any more: ask without after")
        else:
            survey, begin = surveyor.current(watch), 0
        rows = survey.rows
        for index in range(begin, len(rows)):
            row = rows[index]
            if index % LOOK_EACH == 0 and index > begin and watch.is_over():
                page.more = f"{survey.number}.{index}"
                break
            if not self._is_meant(row.name, question.prefix):
                continue
            entry = {
                "topic": row.name,
                "sequence": row.sequence,
                "age": round(self._view.age(row.sequence), 3),
                "rate": round(row.messages / survey.window, 3),
            }
            if not page.add(entry):
                page.more = f"{survey.number}.{index}"
                break
        window = round(survey.window, 3)
        return {"from": survey.first, "window": window, "complete": survey.is_complete}

    def _log(self, question: Question, page: Page, watch: Watch) -> dict[str, object]:
        view = self._view
        head, oldest = view.head(), view.oldest()
        if question.epoch not in ("", view.epoch):
            raise _gone(f"that was another run of this publisher; now it is {view.epoch}", oldest)
        if question.after:
            at = question.after[0]
        elif question.first < 0:
            at = max(oldest, head + question.first)
        else:
            at = question.first
        stop = head if question.stop is None else min(head, question.stop)
        first = at
        while at < stop:
            if at < oldest:
                break
            chunk = min(stop, at + LOOK_EACH)
            at = self._log_part(question, page, at, chunk)
            if page.more or (at < stop and watch.is_over()):
                page.more = str(at)
                break
            oldest = view.oldest()
        if at < oldest and at < stop:
            if at == first:
                raise _gone(f"message {at:,} is not in the log any more", oldest)
            page.more = str(at)  # what was found is told, and then that
        return {"oldest": oldest}

    def _log_part(self, question: Question, page: Page, first: int, stop: int) -> int:
        """Add what is meant of these messages; returns how far it came."""
        view, is_any = self._view, not question.prefix and self._allowed is None
        ids = view.topic_ids(first, stop)
        if view.oldest() > first:
            return first
        for sequence, identifier in zip(range(first, stop), ids, strict=True):
            if not is_any:
                name = self._surveyor.name_of(identifier, sequence)
                if name is None:
                    return sequence
                if not self._is_meant(name, question.prefix):
                    continue
            told = view.message(sequence)
            if told is None:
                return sequence
            if not page.add_message(told):
                page.more = str(sequence)  # it is full
                return sequence
        return stop

    # Which topics.

    def _is_meant(self, topic: bytes, prefix: bytes) -> bool:
        is_allowed = self._allowed is None or topic.startswith(self._allowed)
        return is_allowed and topic.startswith(prefix) and not topic.startswith(RESERVED)

    def _check(self, topic: bytes) -> None:
        if not self._is_meant(topic, b""):
            raise QuestionError("forbidden", f"the topic {topic[:40]!r} may not be asked for")


LISTS = {"now": "", "last": "values", "topics": "topics", "log": "messages"}


def _gone(text: str, oldest: int) -> QuestionError:
    return QuestionError("gone", text, oldest=oldest)


def refusal(language: Language, name: object, error: QuestionError) -> Answer:
    """An answer that says why there is none."""
    head: dict[str, object] = {"version": VERSION}
    if name is not None:
        head["id"] = name
    text = str(error)[:ERROR_SHOWN_MAX].encode("utf-8", "backslashreplace").decode()
    head["error"] = {"code": error.code, "text": text, **error.more}
    return Answer(language.whole(head, "", ()), error.code)
