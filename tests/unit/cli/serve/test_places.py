"""How many may connect, as options of `serve`."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest

from fanout.cli.arguments import UsageError
from fanout.cli.main import build_parser
from fanout.cli.serve.arguments import publisher_options
from fanout.cli.serve.places import askers_of, producers_of
from fanout.errors import ConfigError
from fanout.faces.answering import Answering
from fanout.faces.intake import Intake
from fanout.options import Options

if TYPE_CHECKING:
    from argparse import Namespace

BOTH = ("--ingest", "ipc://@in", "--answer", "ipc://@ask")


def parsed(*arguments: str) -> Namespace:
    return build_parser().parse_args(["serve", "--bind", "tcp://*:5556", *arguments])


def every_limit() -> dict[str, int]:
    """What the library calls the limits of connections, each with a number of its own."""
    verbs = Intake.ingest, Answering.answer
    keywords = {name for verb in verbs for name in inspect.signature(verb).parameters}
    options = {"max_subscribers", *(n for n in vars(Options()) if n.endswith("_per_address"))}
    names = sorted(options | {name for name in keywords if name.startswith("max_")})
    return {name: number for number, name in enumerate(names, 11)}


def test_each_limit_of_the_library_reaches_who_has_it() -> None:
    limits = every_limit()
    line = [
        word
        for name, number in limits.items()
        for word in ("--" + name.replace("_", "-"), str(number))
    ]
    arguments = parsed(*BOTH, *line)
    for verb, given in ((Intake.ingest, producers_of), (Answering.answer, askers_of)):
        keywords = [name for name in inspect.signature(verb).parameters if name in limits]
        assert given(arguments) == {name: limits[name] for name in keywords}
    options = [name for name in vars(Options()) if name in limits]
    assert publisher_options(arguments) == {name: limits[name] for name in options}


def test_what_is_not_given_is_left_to_the_library() -> None:
    arguments = parsed(*BOTH)
    assert (producers_of(arguments), askers_of(arguments)) == ({}, {})


def test_more_than_there_can_be_of_some_is_all_of_them() -> None:
    """One number is for subscribers, producers and askers alike."""
    arguments = parsed(*BOTH, "--max-half-open-per-address", "100000")
    assert producers_of(arguments) == {"max_half_open_per_address": 65_536}
    assert askers_of(arguments) == {"max_half_open_per_address": 4_096}


@pytest.mark.parametrize(
    ("option", "number", "text"),
    [
        ("--max-producers", "65537", "max_producers=65537 is not from 1 to 65,536"),
        ("--max-askers", "4097", "max_askers=4097 is not from 1 to 4,096"),
        ("--max-connects-per-address", "nan", "max_connects_per_address=nan is not from 0.1"),
    ],
)
def test_numbers_out_of_range_are_refused(option: str, number: str, text: str) -> None:
    arguments = parsed(*BOTH, option, number)
    with pytest.raises(ConfigError, match=text):
        (producers_of(arguments), askers_of(arguments))


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--max-producers", "goes with --ingest ENDPOINT"),
        ("--max-askers", "goes with --answer ENDPOINT"),
        ("--max-connections-per-address", "it is --max-subscribers-per-address"),
    ],
)
def test_a_limit_of_nobody_is_refused(option: str, text: str) -> None:
    arguments = parsed(option, "5")
    with pytest.raises(UsageError, match=text):
        (producers_of(arguments), askers_of(arguments))


def test_what_is_no_number_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--max-connects-per-address", "many")
    assert "'many' is not a number of connections a second" in capsys.readouterr().err
