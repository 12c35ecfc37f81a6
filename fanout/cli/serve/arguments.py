"""The arguments of `fanout serve`, and the options of the publisher among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.cli import arguments as args
from fanout.cli.serve.kept import kept_values
from fanout.cli.serve.places import OF_SUBSCRIBERS, add_places
from fanout.cli.serve.policies import policy_of, slow_limit, slow_rule
from fanout.cli.serve.securing import add_security
from fanout.options import Options, choices_of
from fanout.terms.last_values import LastValues

if TYPE_CHECKING:
    import argparse

DESCRIPTION = """\
Publishes what comes on standard input to ZeroMQ SUB sockets, until the end of the input, SIGINT or
SIGTERM; then waits until everything is delivered. A second signal, half a second later or more,
ends at once."""

EPILOG = """\
formats:
  lines    topic<TAB>payload, one message a line, taken as bytes; with --topic all is payload
  ndjson   one JSON object a line, which is the payload; --topic-key names the topic's member
  msgpack  a stream of [topic, payload] arrays, as `fanout sub --format msgpack` writes it, or of
           maps (the payload) with --topic-key

slow subscribers:
  --slow-limit and --slow-rule take parts with commas between them; a comma in a value is \\, there
  limits    limit_bytes=4M limit_messages=1000 limit_age=2.5 (seconds), soft=0.5 (share of a limit
            that is reported), max_rate=64K (bytes/s), min_interval=0.25 (seconds, with conflate)
  a rule    an action, limits, and for whom: name=desk* address=10.0.0.0/8 topic=book.
            endpoint=tcp://127.0.0.1:5556

exit status:
  0  everything was published (slow subscribers may have lost messages; the last lines say which)
  1  failure: address in use, unreadable input, input with no message in it, bad
     input with --strict, the end of the input with --eof-is-failure, stopped by a second
     signal, or with --slow-policy block something was not delivered
  2  an argument or option that cannot work, or a closed standard input"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds all of them to the parser of the subcommand."""
    add = parser.add_argument
    add(
        "--bind",
        action="append",
        required=True,
        metavar="ENDPOINT",
        help="tcp://*:5556, tcp://127.0.0.1:* (a free port), ipc:///run/feed; may be given again",
    )
    _add_endpoints(parser)
    add(
        "--format",
        choices=("lines", "ndjson", "msgpack"),
        default="lines",
        help="see below (default: lines)",
    )
    add(
        "--topic-key",
        metavar="KEY",
        help="the member of an object or map that is the topic; data.symbol is one in another",
    )
    add("--topic", metavar="NAME", help="the topic of every line, which is all payload then")
    add("--strict", action="store_true", help="end at the first input that is not a message")
    add(
        "--eof-is-failure",
        action="store_true",
        help="exit with 1 when the input ends: who feeds a service should not",
    )
    add(
        "--wait-for",
        type=args.count,
        default=0,
        metavar="N",
        help="read nothing before N subscribers are there",
    )
    add(
        "--report-interval",
        type=args.seconds,
        metavar="S",
        help="seconds between reports, 0 = none (default: 1 on a terminal, else 10)",
    )
    _add_options(parser)


def _add_endpoints(parser: argparse.ArgumentParser) -> None:
    """Of who is no subscriber; and what who is one has to say."""
    add_security(parser)
    add = parser.add_argument
    add(
        "--ingest",
        action="append",
        default=[],
        metavar="ENDPOINT",
        help="publish what PUSH sockets send there, too, and go on after the end of the input; "
        "may be given again",
    )
    add(
        "--allowed-topics",
        action="append",
        default=[],
        metavar="PREFIX",
        help="of the topics that PUSH sockets may publish on (default: any); may be given again",
    )
    add(
        "--answer",
        action="append",
        default=[],
        metavar="ENDPOINT",
        help="answer there what REQ sockets ask: last values, topics, the log; may be given again",
    )


def _add_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("options of the publisher")
    defaults = Options()
    add = group.add_argument
    add("--name", metavar="NAME", help="what it is called, for `fanout top --name NAME`")
    add("--workers", type=args.count, metavar="N", help="worker processes (default: one a core)")
    add(
        "--log-bytes",
        type=args.byte_size,
        metavar="SIZE",
        help=f"shared memory, such as 64M (default: {defaults.log_bytes >> 20}M)",
    )
    _add_policies(group, defaults)
    _add_coming_back(group)
    add(
        "--send-timeout",
        type=args.number,
        metavar="S",
        help="evict a subscriber that takes nothing for so long and is in the way "
        f"(default: {defaults.send_timeout:g})",
    )
    add(
        "--stall-timeout",
        type=args.number,
        metavar="S",
        help="evict a subscriber that takes nothing for so long "
        f"(default: {defaults.stall_timeout:g})",
    )
    add(
        "--drain-timeout",
        type=args.number,
        metavar="S",
        help=f"wait so long for deliveries at the end (default: {defaults.drain_timeout:g})",
    )
    add_places(group)


def _add_policies(group: argparse._ArgumentGroup, defaults: Options) -> None:
    add = group.add_argument
    add(
        "--slow-policy",
        choices=choices_of("slow_policy"),
        help="what happens to a subscriber that is behind: it loses its oldest messages, gets what "
        "is queued and goes on with the present, gets the newest of each topic, is closed, or "
        f"everybody waits for it (default: {defaults.slow_policy})",
    )
    add(
        "--slow-limit",
        action="append",
        type=slow_limit,
        metavar="LIMITS",
        help="from which lag on: limit_messages=1000,limit_age=2.5 and others; may be given again",
    )
    add(
        "--slow-limit-bytes",
        type=args.byte_size,
        metavar="SIZE",
        help="how far a subscriber may be behind (default: half of --log-bytes)",
    )
    add(
        "--slow-rule",
        action="append",
        type=slow_rule,
        metavar="RULE",
        help="another policy for some: conflate,min_interval=0.25,name=desk* and others; the first "
        "that fits counts; may be given again",
    )


def _add_coming_back(group: argparse._ArgumentGroup) -> None:
    """What is done for subscribers that come late, or again."""
    add = group.add_argument
    add(
        "--sequence-frame",
        action="store_true",
        default=None,
        help="number the messages, so that fanout.Subscriber and `fanout sub --since` can ask for "
        "what they have missed; other subscribers get one frame more",
    )
    add(
        "--last-values",
        nargs="?",
        const=LastValues(),
        type=kept_values,
        metavar="LIMITS",
        help="keep the last message of each topic for who comes later: alone, or with "
        "max_topics=100000,max_bytes=64M,max_age=1h,topics=price.",
    )


def publisher_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns the options of the publisher that were given, without those left at their default.

    Raises:
        UsageError, ConfigError: they do not go together.
    """
    names = (
        "name",
        "workers",
        "log_bytes",
        "last_values",
        "sequence_frame",
        "send_timeout",
        "stall_timeout",
        "drain_timeout",
        *OF_SUBSCRIBERS,
    )
    given = {name: getattr(arguments, name) for name in names}
    given["slow_rules"] = arguments.slow_rule
    policy = policy_of(arguments.slow_policy, arguments.slow_limit, arguments.slow_limit_bytes)
    return {name: value for name, value in given.items() if value is not None} | policy
