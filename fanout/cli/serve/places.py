"""How many may connect to `fanout serve`, in all and from one address: arguments.

An option has the name that the library has for it. What a publisher, `ingest()` and `answer()` have
under one name is one option; it counts for each of them by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.cli.arguments import UsageError, count, number_of, positive_count
from fanout.options import Options
from fanout.terms.places import (
    ANY_ADDRESS,
    PRODUCERS_LIMIT,
    PRODUCERS_MAX,
    PerAddress,
    place_limits,
)
from fanout.terms.question_terms import ASKERS_LIMIT, ASKERS_MAX

if TYPE_CHECKING:
    import argparse

OF_SUBSCRIBERS = (  # options of the publisher
    "max_subscribers",
    "max_subscribers_per_address",
    "max_half_open_per_address",
    "max_connects_per_address",
)
OF_OTHERS = (  # keywords of ingest() and answer()
    "max_connections_per_address",
    "max_half_open_per_address",
    "max_connects_per_address",
)


def add_places(group: argparse._ArgumentGroup) -> None:
    """Add the arguments."""
    defaults = Options()
    add = group.add_argument
    add(
        "--max-subscribers",
        type=positive_count,
        metavar="N",
        help=f"refuse connections above (default: {defaults.max_subscribers:,})",
    )
    add(
        "--max-subscribers-per-address",
        type=count,
        metavar="N",
        help="of these from one address (default: half of them, four at least)",
    )
    add(
        "--max-producers",
        type=positive_count,
        metavar="N",
        help=f"of PUSH sockets at each --ingest (default: {PRODUCERS_MAX:,})",
    )
    add(
        "--max-askers",
        type=positive_count,
        metavar="N",
        help=f"of REQ sockets at each --answer (default: {ASKERS_MAX:,})",
    )
    add(
        "--max-connections-per-address",
        type=count,
        metavar="N",
        help="of either of the last two from one address (default: half of them, four at least)",
    )
    add(
        "--max-half-open-per-address",
        type=count,
        metavar="N",
        help="of subscribers, producers and askers each, those from one address that are in their "
        "handshake (default: half, four at least)",
    )
    add(
        "--max-connects-per-address",
        type=number_of("connections a second"),
        metavar="N",
        help="of each, new ones a second from one address, beyond a burst "
        f"(default: {defaults.max_connects_per_address:g})",
    )


def producers_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `ingest()` is to be called with, of what was given.

    Raises:
        UsageError: there is no `--ingest`. ConfigError: a number is out of its range.
    """
    if arguments.max_producers is not None and not arguments.ingest:
        raise UsageError("--max-producers goes with --ingest ENDPOINT")
    is_for_others = arguments.max_connections_per_address is not None
    if is_for_others and not arguments.ingest and not arguments.answer:
        raise UsageError(
            "--max-connections-per-address goes with --ingest or --answer; for subscribers it is "
            "--max-subscribers-per-address"
        )
    return _given(arguments, "max_producers", PRODUCERS_MAX, PRODUCERS_LIMIT)


def askers_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `answer()` is to be called with, of what was given.

    Raises:
        UsageError: there is no `--answer`. ConfigError: a number is out of its range.
    """
    if arguments.max_askers is not None and not arguments.answer:
        raise UsageError("--max-askers goes with --answer ENDPOINT")
    return _given(arguments, "max_askers", ASKERS_MAX, ASKERS_LIMIT)


def _given(
    arguments: argparse.Namespace, option: str, default: int, highest: int
) -> dict[str, Any]:
    """The keywords; the numbers are looked at before anything is started."""
    most = getattr(arguments, option)
    given = {name: getattr(arguments, name) for name in OF_OTHERS}
    for name, value in given.items():
        # One number for all of them: that it is more than there can be of some is no mistake.
        if name != "max_connects_per_address" and value is not None:
            given[name] = min(value, highest)
    known = {name: value for name, value in given.items() if value is not None}
    of_address = PerAddress(
        *(known.get(name, no) for name, no in zip(OF_OTHERS, ANY_ADDRESS, strict=True))
    )
    place_limits(default if most is None else most, of_address, option, highest)
    return known if most is None else {option: most, **known}
