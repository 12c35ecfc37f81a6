"""The channel of problems is bounded, and says what it has lost."""

from __future__ import annotations

from fanout.sockets.problems import PROBLEMS_MAX, Problem, ProblemKind, Problems


def test_what_is_too_much_is_counted() -> None:
    problems = Problems()
    for number in range(PROBLEMS_MAX + 3):
        problems.put(ProblemKind.LOST, "peer", str(number))
    assert problems.lost == 3
    taken = problems.take()
    assert taken[0] == Problem(ProblemKind.LOST, "peer", "0")
    assert len(taken) == PROBLEMS_MAX
    assert problems.take() == []
    problems.put(ProblemKind.LOST, "peer", "after")
    assert [one.text for one in problems.take()] == ["after"]
