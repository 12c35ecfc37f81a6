"""Dues: each is given once, when it is due, unless its entry is void."""

from __future__ import annotations

from fanout.workers.policy.dues import VOID_MIN, Dues


class Who:
    """Somebody to be looked at."""

    def __init__(self) -> None:
        self.watch = 1


def test_who_is_due_is_given_once_the_first_first() -> None:
    dues: Dues[Who] = Dues()
    late, soon = Who(), Who()
    dues.add(20, late)
    dues.add(10, soon)

    assert dues.pop(9) is None
    assert dues.pop(20) is soon
    assert dues.pop(20) is late
    assert dues.pop(99) is None


def test_who_is_due_first_is_seen_and_may_be_forgotten() -> None:
    dues: Dues[Who] = Dues()
    void, first, second = Who(), Who(), Who()
    assert dues.first() is None
    for due, who in enumerate((void, first, second)):
        dues.add(due, who)
    void.watch += 1

    assert dues.first() == dues.first() == (1, first)
    dues.forget_first()
    assert dues.first() == (2, second)
    assert dues.pop(2) is second
    assert dues.first() is None


def test_a_void_entry_is_not_given_and_does_not_stay_for_ever() -> None:
    dues: Dues[Who] = Dues()
    who = Who()
    for due in range(2 * VOID_MIN):
        who.watch += 1
        dues.add(due, who)
    assert len(dues) == 2 * VOID_MIN

    dues.sweep(1)

    assert len(dues) == 1
    assert dues.pop(2 * VOID_MIN) is who
