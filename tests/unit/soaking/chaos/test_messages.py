"""What is published in a run of chaos, and who wants what."""

from __future__ import annotations

from fanout.zmtp.frames import encode_message
from soaking.chaos.messages import (
    LAP,
    LONGEST,
    SHORTEST,
    TOPICS,
    Wants,
    payload_of,
    topic_of,
    wire_of,
)

SOME = range(2_000)


def test_a_message_is_on_the_wire_as_zmtp_has_it() -> None:
    assert all(wire_of(n) == encode_message((topic_of(n), payload_of(n))) for n in SOME)


def test_sizes_are_from_the_shortest_to_the_longest() -> None:
    sizes = {len(payload_of(number)) for number in SOME}

    assert (min(sizes), max(sizes)) == (SHORTEST, LONGEST)
    assert {topic_of(number) for number in SOME} == set(TOPICS)


def test_no_byte_of_another_message_fits_into_a_long_one() -> None:
    """Of bytes that lie in its place by chance one in 256 is the same."""
    longest = max(SOME, key=lambda number: len(payload_of(number)))
    payload = payload_of(longest)
    for other in range(longest + 1, longest + 2_000):
        there = payload_of(other)[8:]
        assert len(there) < 40 or payload[8 : 8 + len(there)] != there


def test_who_wants_what_is_the_same_counted_and_one_by_one() -> None:
    for prefixes in ([b""], [b"T1"], [b"T3", b"T31", b"T07"], [b"U"], [b"T49"]):
        wants = Wants(prefixes)
        wanted = [n for n in range(3 * LAP) if topic_of(n).startswith(tuple(prefixes))]

        assert [n for n in range(3 * LAP) if wants.has(n)] == wanted
        assert wants.between(7, 2 * LAP + 9) == sum(7 <= n < 2 * LAP + 9 for n in wanted)
        assert wants.between(9, 7) == 0
        walked, number = [], wants.after(-1)
        while 0 <= number < 3 * LAP:
            walked.append(number)
            number = wants.after(number)
        assert walked == wanted
        newest = wants.last_of_topics(2 * LAP + 9)
        assert newest == {topic_of(n): n for n in wanted if n < 2 * LAP + 9}
