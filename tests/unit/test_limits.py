"""The reference says of limits that are no options what the code has.

What is beside this list in the table are parts of other limits, or no numbers.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from fanout.basics import grace
from fanout.control import channel, messages
from fanout.coordinator import (
    addresses,
    announcer,
    balance,
    changes,
    handing_on,
    interest,
    listening,
    lost,
    moving,
    pool,
    succession,
    supervision,
    takeovers,
    thinning,
    watching,
    wrecks,
)
from fanout.reporting import event_queue
from fanout.send import lock, wire
from fanout.shm import layout
from fanout.terms import addresses as places
from fanout.terms import peer_budget, reserved, slow_options
from fanout.transport import accepting, held
from fanout.workers import naps, tuning
from fanout.workers.connections import (
    budgets,
    deadlines,
    readable,
    reading,
    records,
    standing,
)
from fanout.workers.connections import reserved as said
from fanout.workers.stream import cohorts, members, wanted
from fanout.workers.tuning import TUNING
from tests.helpers.pages import CODE, REFERENCE, ROOT, cells, section

NS = 1_000_000_000


def times(seconds: float) -> str:
    """A time as it is written there."""
    return f"{seconds * 1000:g} ms" if seconds < 0.1 else f"{seconds:g} s"


def size(count: int) -> str:
    """A number of bytes as it is written there."""
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count >> 10} KiB"


LIMITS: dict[str, tuple[str, ...]] = {  # how the row begins, and what stands in it
    "messages in the log at once": (f"each {layout.BYTES_PER_ENTRY} bytes",),
    "length of a topic that is interned": (f"{wire.INTERN_BYTES_MAX} bytes",),
    "offered to a socket at once": (size(TUNING.span_bytes),),
    "messages sorted at once": (
        f"{TUNING.batch_messages_min:,}, in a backlog up to {TUNING.batch_messages_max:,}",
        size(TUNING.batch_bytes),
    ),
    "messages that subscribers who are behind share": (
        f"{TUNING.chunks_kept} chunks of at most {TUNING.chunk_messages:,} messages",
        f"or {size(TUNING.chunk_bytes)}, each grouped by up to {TUNING.chunk_tables} lengths",
    ),
    "pause of a worker": (f"up to {times(naps.NAP_MAX)}, above {naps.FLOOD_RATE:,} messages/s",),
    "connections accepted in one turn": (f"{accepting.ACCEPTS_PER_TURN}",),
    "connections that are held": (f"{held.HELD_MAX:,}",),
    "how long who has [keys that do not fit": (
        f"{times(addresses.REFUSAL_HOLD)}, from the second time in "
        f"{times(addresses.FORGIVEN_AFTER)} on",
    ),
    "addresses without a connection": (f"{places.REMEMBERED_MAX:,}",),
    "pause after the system": (times(listening.PAUSE),),
    "subscribers read in one turn": (
        f"{readable.READS_PER_TURN}, each at most {size(budgets.READ_BYTES_MAX)}",
        f"and {times(budgets.TURN_NS / NS)} in all",
        f"up to {times(budgets.TURN_MAX_NS / NS)}",
    ),
    "what one subscriber may take": (
        f"1/{peer_budget.PEER_PART} of it, and {times(peer_budget.PEER_BURST_NS / NS)} saved up",
        f"{times(peer_budget.TALK_BURST_NS / NS)} of these",
        f"{times(reading.SPARED_MIN_NS / NS)} at least",
    ),
    "with what every connection begins": (times(peer_budget.ALWAYS_NS / NS),),
    "what one address may owe": (times(peer_budget.ADDRESS_DEBT_MAX_NS / NS),),
    "what all of them may take": (f"1/{budgets.BUSY_PART} of the worker",),
    "deadlines met in one tick": (
        f"{deadlines.DUE_PER_TICK} handshakes, {deadlines.DUE_PER_TICK} PINGs",
        f"{deadlines.MORTAL_PER_TICK:,} looks",
    ),
    "until a new subscriber counts": (
        f"{times(standing.SOON_NS / NS)} apart",
        f"{standing.LOOKS_PER_TICK} subscribers in a tick",
    ),
    "messages outside the log": ("twice `log_bytes`",) if TUNING.spill_logs == 2 else ("?",),
    "what one subscriber may [say": (
        f"{reserved.RESERVED_MAX} reserved subscriptions",
        f"name of {reserved.NAME_BYTES_MAX} bytes",
        f"{said.DECLINED_MAX} times",
    ),
    "rules in": (f"{slow_options.RULES_MAX:,}",),
    "answers to PINGs that come with": (size(TUNING.control_bytes_max),),
    "changes of subscriptions while": (
        f"{TUNING.older_max}, and {members.OLDER_WANTS_MAX:,} prefixes",
    ),
    "prefixes of a connection that has ended": (
        f"{wanted.TAKEN_AT_ONCE:,} short ones",
        f"{interest.TAKEN_AT_ONCE:,} short ones",
        f"at least {times(pool.LEAVING_PAUSE)} apart",
    ),
    "of those, left in a worker": (f"{wanted.LEFT_MAX:,}",),
    "prefixes of a list that only counts": (f"{cohorts.PARKED_MAX:,} short ones",),
    "prefixes from which on": (f"{TUNING.owned_from};",),
    "prefixes of a subscriber that shares": (
        f"{members.CALMED_MAX:,}, counted",
        f"{members.CALMED_PER_TICK:,} in a tick",
    ),
    "final figures kept": (f"{layout.CLOSED_ENTRIES:,}",),
    "messages between the coordinator": (
        f"for a worker {channel.QUEUE_MESSAGES_MAX:,}; a packet of them",
        f"takes {size(channel.PACKET_BYTES_AIM)} (one message",
        f"up to {size(messages.PACKET_BYTES_MAX)}) and {channel.DESCRIPTORS_MAX} connections",
    ),
    "time between two events": (times(thinning.SUMMARY_EACH),),
    "events that wait": (f"{event_queue.EVENTS_MAX:,}",),
    "iterators over events": (f"{announcer.READERS_MAX}",),
    "log lines of one kind": (f"{thinning.LOGGED_AT_ONCE} in {times(thinning.SUMMARY_EACH)}",),
    "subscribers of whom it is remembered": (f"{thinning.KNOWN_MAX:,}",),
    "failures of one worker": (
        f"{supervision.FAILURES_MAX}; beyond",
        f"for {times(supervision.GIVE_UP_AFTER)}",
        f"is {times(supervision.BACKOFF_FIRST)} and doubles up to {times(supervision.BACKOFF_MAX)}",
        f"{times(supervision.STABLE_AFTER)} of service",
    ),
    "starts of workers": (f"{supervision.AT_ONCE} in a second",),
    "time from `worker_timeout`": (
        f"`worker_timeout` / {watching.TICKS_EACH}, up to {times(watching.TICK)}",
        f"{times(watching.ABORT_GRACE)} to print",
    ),
    "counting what a lost worker owed": (
        f"{times(lost.COUNTING_MAX)}, in slices of {times(wrecks.SLICE)}",
    ),
    "changes of subscriptions that are": (
        f"{changes.CHANGES_MAX:,}, with their prefixes, and {size(changes.CHANGED_BYTES_MAX)}",
    ),
    "connections of lost workers": (f"{takeovers.HANDED_AT_ONCE}, and {times(handing_on.SLICE)}",),
    "how long such a connection waits": (times(handing_on.HOPE),),
    "subscribers of a worker that is emptied": (f"{succession.MOVES_AT_ONCE}",),
    "how long nobody of these": (times(succession.GRACE),),
    "moves for balance": (
        f"{balance.MOVES_EACH} each second",
        f"not within {times(balance.STAYS_FOR)}; none for {times(balance.QUIET)}",
    ),
    "asking a worker": (f"each {times(moving.AGAIN)}, up to {moving.ASKED_MAX} times",),
    "how long nobody more is moved": (times(moving.PAUSE),),
    "workers that are asked": (
        f"{takeovers.REFUSALS_MAX}, the same one not within {times(takeovers.REFUSED_PAUSE)}",
    ),
    "from when a worker is told to end": (times(watching.FINISH_GRACE),),
    "workers that end by themselves": (f"{takeovers.OWN_ENDS_MAX}: then",),
    "what workers keep": ("four times `log_bytes`",) if layout.AREA_LOGS == 4 else ("?",),
    "answers to PINGs that may wait": (f"{layout.SPEECH_BYTES} bytes",),
    "of the log, what is kept": (f"1/{records.KEPT_PART}, or",),
    "past its timeout": (
        f"{times(grace.END_GRACE)}; {times(grace.END_GRACES * grace.END_GRACE)} if it gets on; "
        f"{times(announcer.FAREWELL)} more",
    ),
    "a send that waits": (times(lock.LOCK_TIMEOUT),),
}
NO_NUMBERS = ("one message, on", "one batch,", "subscribers lost with", "a part of a frame")


def rows() -> list[list[str]]:
    text = section((REFERENCE / "options.md").read_text("utf-8"), "Limits that are not options")
    return [cells(line) for line in text.splitlines() if line.startswith("| ")][1:]


def row_of(beginning: str) -> list[str]:
    (row,) = (row for row in rows() if row[0].startswith(beginning))
    return row


@pytest.mark.parametrize("beginning", LIMITS)
def test_what_is_said_is_so(beginning: str) -> None:
    limit, value, *_where = row_of(beginning)
    assert [text for text in LIMITS[beginning] if text not in value] == [], limit


def test_each_limit_is_looked_at() -> None:
    known = [row_of(beginning)[0] for beginning in (*LIMITS, *NO_NUMBERS)]
    assert sorted(known) == sorted(row[0] for row in rows())


def modules_of(beginning: str) -> set[str]:
    """The files whose constants stand in a row, by what is looked up for it above."""
    tree = ast.parse(Path(__file__).read_text("utf-8"))
    (table,) = (node.value for node in tree.body if isinstance(node, ast.AnnAssign))
    assert isinstance(table, ast.Dict)
    (looked_up,) = (
        value
        for key, value in zip(table.keys, table.values, strict=True)
        if isinstance(key, ast.Constant) and key.value == beginning
    )
    here = vars(sys.modules[__name__])
    names = {node.id for node in ast.walk(looked_up) if isinstance(node, ast.Name)}
    modules = {here[name] for name in names if name in here and name not in ("times", "size", "NS")}
    files = {tuning.__file__ if module is TUNING else module.__file__ for module in modules}
    # Workers are named as their folder in the repository is, which the package has inside.
    return {Path(file).relative_to(ROOT).as_posix().replace("fanout/w", "w") for file in files}


@pytest.mark.parametrize("beginning", LIMITS)
def test_it_is_where_it_is_said_to_be(beginning: str) -> None:
    *_what, where = row_of(beginning)
    assert modules_of(beginning) - set(CODE.findall(where)) == set(), where


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.002, "2 ms"), (0.5, "0.5 s"), (10.0, "10 s"), (300.0, "300 s")]
)
def test_times_are_written_as_there(seconds: float, text: str) -> None:
    assert times(seconds) == text
