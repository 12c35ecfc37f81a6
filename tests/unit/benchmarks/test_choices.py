"""Names on a command line."""

from __future__ import annotations

import argparse

import pytest

from benchmarks.choices import names_of, some_of

KNOWN = {"one": 1, "two": 2}


def test_names_are_read_in_their_order() -> None:
    assert names_of("number", KNOWN)("two,one") == ("two", "one")


def test_a_name_that_is_not_known_is_named_with_those_that_are() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="no number 'three'; there are one, two"):
        names_of("number", KNOWN)("one,three")


def test_no_name_means_all() -> None:
    parser = argparse.ArgumentParser()
    assert (*some_of(parser, "number", [], KNOWN),) == ("one", "two")
    assert (*some_of(parser, "number", ["two"], KNOWN),) == ("two",)


def test_a_bad_name_ends_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        some_of(argparse.ArgumentParser(), "number", ["three"], KNOWN)
    assert "no number 'three'; there are one, two" in capsys.readouterr().err
