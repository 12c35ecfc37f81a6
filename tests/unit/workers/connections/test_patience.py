"""For how long others wait while newcomers are sent last values."""

from __future__ import annotations

from fanout.workers.connections.patience import Patience
from fanout.workers.stream.turn_part import TurnPart
from fanout.workers.tuning import TUNING


class Turn:
    """Time passes when it is told so."""

    def __init__(self) -> None:
        self.now = 5
        self.has_news = False
        part = TurnPart(lambda: self.now)
        times = TUNING.part_ns, TUNING.others_ns
        self.patience = Patience(part, *times, lambda: self.has_news)


def test_it_lasts_for_a_part_of_the_turn_from_the_first_question_on() -> None:
    turn = Turn()
    assert turn.patience.lasts(1)
    turn.now += TUNING.part_ns - 1
    assert turn.patience.lasts(1)
    turn.now += 1
    assert not turn.patience.lasts(1)
    assert turn.patience.lasts(2)


def test_it_is_shorter_as_soon_as_there_is_something_new_for_others() -> None:
    turn = Turn()
    assert turn.patience.lasts(1)
    turn.now += TUNING.others_ns
    assert turn.patience.lasts(1)
    turn.has_news = True
    assert not turn.patience.lasts(1)


def test_it_begins_anew_once_in_a_turn() -> None:
    turn = Turn()
    for number in (1, 2):
        assert turn.patience.lasts(number)
        for expected in (True, False):
            turn.now += TUNING.part_ns
            assert not turn.patience.lasts(number)
            turn.patience.renew()
            assert turn.patience.lasts(number) == expected
