"""Messages of takeovers: the keys that go with a sealed connection are in no text."""

from __future__ import annotations

from fanout.control.takeover import Released, Resume

SECRET = [b"hunter2", b"and more of it"]


def test_what_is_secret_is_in_no_text() -> None:
    for one in (
        Resume(7, 3, "zmtp+curve#1", "3.1", {}, boxes=SECRET),
        Released(7, True, "why", boxes=SECRET),
    ):
        for text in (str(one), repr(one), f"{[one]}"):
            assert "hunter2" not in text
            assert "7" in text, "which connection it is about"


def test_one_message_does_not_change_the_boxes_of_another() -> None:
    assert Released(1, True, "").boxes == Resume(1, 1, "zmtp", "3.1", {}).boxes == []
