"""What the subscribers of the demonstration count, and how it is judged."""

from __future__ import annotations

from demonstration.tally import Tally, expected, shortfall


def tally_of(*numbers: int) -> Tally:
    tally = Tally()
    for number in numbers:
        tally.add("cpu.0", {"number": number})
    return tally


def test_numbers_without_a_gap_are_complete() -> None:
    tally = tally_of(1, 2, 3)
    assert (tally.messages, tally.missing, tally.disordered) == (3, 0, 0)
    assert tally.by_topic == {"cpu.0": 3}


def test_gaps_are_counted_also_before_the_first_message() -> None:
    assert tally_of(3, 4, 8).missing == 5


def test_messages_twice_or_late_are_no_gap_but_disorder() -> None:
    tally = tally_of(1, 2, 2, 1, 3)
    assert (tally.missing, tally.disordered) == (0, 2)


def test_topics_are_counted_apart() -> None:
    tally = tally_of(1)
    tally.add("memory", {"number": 1, "percent": 2.0})
    assert tally.missing == 0
    assert tally.last_topic == "memory"


def test_a_subscriber_is_owed_what_its_prefixes_match() -> None:
    published = {b"cpu.0": 5, b"cpu.1": 5, b"memory": 3, b"net.lo": 1}
    assert expected(published, (b"cpu.", b"net.")) == {"cpu.0": 5, "cpu.1": 5, "net.lo": 1}
    assert expected(published, (b"",)) == {"cpu.0": 5, "cpu.1": 5, "memory": 3, "net.lo": 1}


def test_too_few_too_many_and_unasked_for_are_all_told() -> None:
    wanted = {"a": 2, "b": 1, "c": 1}
    assert shortfall(wanted, {"a": 2, "b": 1, "c": 1}) == []
    assert shortfall(wanted, {"a": 1, "b": 2, "d": 1}) == [
        "a: 1 of 2",
        "b: 2 of 1",
        "c: 0 of 1",
        "d: 1 of 0",
    ]
