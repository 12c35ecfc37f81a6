"""How messages are described, and how what came differs from what should have."""

from __future__ import annotations

from interoperation.messages import SIZES, describe, number_of, numbered, of_all_shapes, wrong


def test_a_frame_is_its_length_its_checksum_and_its_beginning() -> None:
    assert describe([b"a", b""]) == "1:620062:61 0:1:"
    assert describe([bytes(range(20))]).endswith(":000102030405060708090a0b0c0d0e0f")


def test_a_number_comes_back() -> None:
    assert number_of(describe(numbered(4_711, 100))) == 4_711


def test_messages_of_all_shapes_are_different_and_of_all_sizes() -> None:
    shapes = [describe(message) for message in of_all_shapes()]
    assert len(set(shapes)) == len(shapes) == 3 * len(SIZES)
    assert {len(message) for message in of_all_shapes()} == {1, 2, 5}
    assert {len(frame) for message in of_all_shapes() for frame in message[1:]} == set(SIZES)


def test_what_is_right_is_not_wrong() -> None:
    assert wrong(["a", "b"], ["a", "b"]) == ""


def test_strays_losses_and_disorder_are_told() -> None:
    assert "1 missing" in wrong(["a"], ["a", "b"])
    assert "1 stray (x)" in wrong(["a", "x", "b"], ["a", "b"])
    assert "different from number 1 on" in wrong(["a", "c", "b"], ["a", "b", "c"])
    assert wrong(["a", "a"], ["a"]) != ""
