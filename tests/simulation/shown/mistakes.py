"""Ways to break what is shown to newcomers, one for each rule; see `tests/simulation/mutations/`.

`MISTAKES` maps the name of each to what replaces what.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fanout.reasons import Reason
from fanout.send.kept_topics import KeptTopics
from fanout.shm.kept_values import KeptValues
from fanout.shm.value_keeper import ValueKeeper
from fanout.subscriber import since
from fanout.subscriber.asks import Asks
from fanout.subscriber.giving import Giving
from fanout.subscriber.losses import Losses
from fanout.subscriber.merger import Merger
from fanout.subscriber.message import Gap
from fanout.subscriber.passing import PassingStream
from fanout.subscriber.past import StreamWithPast
from fanout.subscriber.runs import Run
from fanout.subscriber.shown import Shown
from fanout.subscriber.stream import Stream
from fanout.workers.connections import said
from fanout.workers.connections.alike import Alike
from fanout.workers.connections.due_values import DueValues
from fanout.workers.connections.keyframe_requests import KeyframeRequests
from fanout.workers.policy.disconnect import Disconnect
from fanout.workers.policy.rate import Rate
from fanout.workers.stream import joining, showing
from fanout.workers.stream import shown as standing
from fanout.workers.stream.backlog import Backlog
from fanout.workers.stream.chaining import Chaining
from fanout.workers.stream.chunks import Chunk
from fanout.workers.stream.finding import Finding
from fanout.workers.stream.judging import Judging
from fanout.workers.stream.keyframes import Keyframes
from fanout.workers.stream.replaying import Replaying
from fanout.workers.stream.resting import Resting
from fanout.workers.stream.showing import Showing
from fanout.workers.stream.snapshot import Snapshot, Snapshots
from fanout.workers.tail import Tail
from tests.helpers.replacing import replacing
from tests.simulation.shown.memory import SteppedValuedWriter

if TYPE_CHECKING:
    from tests.helpers.replacing import Mutation

MISTAKES: dict[str, Mutation] = {}
replaces = replacing(MISTAKES)

# Keyframes.


@replaces(Keyframes, "last_before")
def begin_with_the_last_but_one(original: Any, found: Any, topic: int, stop: int) -> Any:
    last = original(found, topic, stop)
    before = None if last is None else original(found, topic, last)
    return last if before is None else before


@replaces(Keyframes, "_put_before")
def look_no_further_back_than_before(_original: Any, _found: Any, _more: Any) -> None:
    pass


@replaces(Tail, "go_back")
def go_back_without_protection(_original: Any, tail: Any, who: Any, first: int) -> int:
    first = tail.replays[who] = max(first, tail._header.floor)
    return first


@replaces(Replaying, "chain")
def leave_the_keyframe_out(
    original: Any, pump: Any, member: Any, first: int, until: int, wants: Any
) -> None:
    wants.floors = {name: floor + 1 for name, floor in wants.floors.items()}
    original(pump, member, first, until, wants)


@replaces(Chunk, "_pick_chain")
def send_what_came_before_the_keyframe(original: Any, chunk: Any, floors: Any) -> Any:
    return original(chunk, dict.fromkeys(floors, 0))


@replaces(Replaying, "end_hold")
def forget_that_it_has_jumped(original: Any, pump: Any, member: Any, until: int) -> int:
    low: int = original(pump, member, until)
    return min(low, 0)


@replaces(Finding, "lose")
def tell_of_no_keyframe_that_is_gone(_original: Any, _finding: Any, _sequence: int) -> None:
    pass


@replaces(Chaining, "_tell")
def count_the_lost_twice(original: Any, chaining: Any, member: Any, finding: Any) -> None:
    original(chaining, member, finding)
    chaining._pump.totals.keyframes_lost += finding.lost


@replaces(KeptValues, "is_keyframe")
def take_deltas_for_keyframes(_original: Any, _values: Any, _place: int, _sequence: int) -> bool:
    return True


@replaces(KeyframeRequests, "ask")
def ask_for_none(_original: Any, _requests: Any, _topic: bytes) -> None:
    pass


# Last values.


@replaces(Snapshots, "is_covered")
def repeat_what_is_covered(
    original: Any, snapshots: Any, snapshot: Any, topic: bytes, **_more: Any
) -> bool:
    del original, snapshots, snapshot, topic
    return False


@replaces(showing, "_limit_of")
def show_what_comes_by_itself(original: Any, member: Any, snapshot: Any) -> int:
    limit: int = original(member, snapshot)
    return limit + 5


@replaces(SteppedValuedWriter, "_note")
def note_no_batch(_original: Any, _log: Any, _sequence: int, _ids: Any) -> None:
    pass


@replaces(ValueKeeper, "take_back")
def remember_what_was_never_committed(_original: Any, _keeper: Any, _head: int, _ids: Any) -> None:
    pass


@replaces(ValueKeeper, "put")
def keep_nothing(_original: Any, _keeper: Any, *_value: Any, **_more: Any) -> None:
    pass


@replaces(KeptValues, "wire")
def believe_what_may_be_overwritten(
    original: Any, values: Any, place: int, sequence: int
) -> bytes | None:
    log = values.log
    if log.head() - sequence < log.entries and sequence < log.head():
        piece: bytes = log.piece(sequence)
        return piece
    found: bytes | None = original(values, place, sequence)
    return found


@replaces(KeptTopics, "forget")
def forget_nothing(_original: Any, _topics: Any, _topic: Any) -> None:
    pass


@replaces(Showing, "_tell")
def mark_no_end(original: Any, shown: Any, member: Any, snapshot: Any, *, is_end: bool) -> None:
    if not is_end:
        original(shown, member, snapshot, is_end=is_end)


# Where policies take something.


@replaces(showing, "_limit_of")
def show_what_there_was_before_a_jump(original: Any, member: Any, snapshot: Any) -> int:
    limit: int = original(member, snapshot)
    return limit if snapshot.finding else min(limit, snapshot.due)


@replaces(Snapshot, "look_anew")
def begin_again_after_a_jump(original: Any, snapshot: Any) -> None:
    original(snapshot)
    snapshot.passed = -1


@replaces(Snapshots, "pass_until")
def show_older_ones_after_the_newest(_original: Any, _all: Any, _first: int, _front: int) -> None:
    pass


@replaces(Snapshot, "pass_at")
def forget_a_jump_when_a_pass_begins(_original: Any, snapshot: Snapshot, _cursor: int) -> None:
    snapshot.is_passed = True


# Where they cancel something.


@replaces(Snapshots, "_is_covered_or_cancelled")
def show_what_was_cancelled(
    _original: Any, snapshots: Snapshots, number: int, topic: bytes
) -> bool:
    born, wants = snapshots._born, snapshots._subscriptions
    return any(topic.startswith(one) and born.get(one, 0) < number for one in wants)


@replaces(Snapshots, "_is_covered_or_cancelled")
def show_twice_what_was_cancelled_and_wanted_again(
    original: Any, snapshots: Snapshots, number: int, topic: bytes
) -> bool:
    is_covered: bool = original(snapshots, number, topic)
    born, wants = snapshots._born, snapshots._subscriptions
    by = [born.get(one, 0) for one in wants if topic.startswith(one)]
    return is_covered and (not by or min(by) < number)


@replaces(Snapshots, "_remember")
def forget_what_covered_it(_original: Any, snapshots: Snapshots, prefix: bytes) -> None:
    snapshots._born.pop(prefix, None)


@replaces(said, "_kept")
def repeat_what_was_wanted_all_the_time(_original: Any, _added: Any, _over: Any) -> list[bytes]:
    return []


@replaces(said, "_kept")
def take_all_that_is_wanted_instead_as_wanted_before(
    _original: Any, added: Any, over: Any
) -> list[bytes]:
    return [*added, *over]


@replaces(Resting, "postpone")
def wait_for_an_event_for_ever(_original: Any, _pump: Any, _member: Any) -> None:
    """Its socket has room, so there is none."""


# Where several want the same.


@replaces(joining, "_is_like_others")
def share_what_one_has_cancelled(_original: Any, member: Any, snapshot: Any) -> bool:
    return member.encoding is None and not (snapshot.alone or snapshot.later or snapshot.is_passed)


# Where they are disconnected, or have a rate.


@replaces(Judging, "_report_slow")
def disconnect_who_is_only_slow(original: Any, judging: Judging, member: Any, lag: Any) -> None:
    original(judging, member, lag)
    if member.slow and isinstance(member.policy, Disconnect):
        judging._lose(member, Reason.TOO_SLOW, "it is slow")


@replaces(Rate, "allowance")
def send_as_fast_as_it_takes(_original: Any, _rate: Rate, _now: int) -> int:
    return 1 << 30


@replaces(showing, "send")
def show_past_its_rate(original: Any, member: Any, data: Any) -> int:
    throttled = member.send
    member.send = getattr(throttled, "send", throttled)
    try:
        count: int = original(member, data)
    finally:
        member.send = throttled
    return count


# Where they ask for what they have missed.


@replaces(Snapshots, "add")
def show_again_what_it_has(
    original: Any, snapshots: Snapshots, due: int, _above: int, *added: Any, **more: Any
) -> None:
    original(snapshots, due, -1, *added, **more)


@replaces(DueValues, "_show")
def show_what_there_is_where_it_goes_on(
    original: Any, values: DueValues, peer: Any, due: Any, now: int
) -> None:
    original(values, peer, due._replace(at=values._pump.front), now)


@replaces(DueValues, "_show")
def look_for_keyframes_though_all_is_sent(
    original: Any, values: DueValues, peer: Any, due: Any, now: int
) -> None:
    original(values, peer, due._replace(is_replayed=False), now)


@replaces(Alike, "fits")
def send_everybody_what_the_last_one_got(original: Any, alike: Alike, *which: Any) -> bool:
    original(alike, *which)
    return alike._last is not None


@replaces(Showing, "go_on_in")
def begin_again_what_another_one_was_sent(_original: Any, *_which: Any) -> None:
    """Its socket has taken a part of that."""


@replaces(Replaying, "tell_missed")
def tell_nothing_of_what_is_not_there(
    _original: Any, _pump: Any, _member: Any, *_missed: Any
) -> None:
    pass


# Where workers die.


@replaces(Backlog, "_up_to_snapshot")
def pass_where_one_is_due(_original: Any, _backlog: Any, _member: Any, until: int) -> int:
    return until


@replaces(Showing, "_note")
def write_down_nothing_of_what_is_sent(
    _original: Any, shown: Any, member: Any, _snapshot: Any, _load: Any
) -> None:
    shown._losing.turned(member)


@replaces(standing, "_snapshot")
def begin_again_what_was_sent(original: Any, *which: Any) -> Any:
    made = original(*which)
    made.passed, made.part = -1, None
    return made


# Where who comes is a subscriber that heals itself.


@replaces(Run, "_is_double")
def take_all_that_lines_bring(_original: Any, *_which: Any) -> bool:
    return False


@replaces(StreamWithPast, "_is_new")
def take_what_was_shown_as_what_was_missed(
    _original: Any, stream: StreamWithPast, sequence: int, topic: bytes
) -> bool:
    return Stream._is_new(stream, sequence, topic)


@replaces(Run, "take")
def give_the_newest_first(
    original: Any, run: Run, number: int, messages: Any, now: float, out: Any
) -> None:
    given: list[Any] = []
    original(run, number, messages, now, given)
    out += reversed(given)


@replaces(Shown, "has")
def forget_which_last_values_have_come(_original: Any, *_which: Any) -> bool:
    return False


@replaces(Giving, "_give_value")
def know_no_last_values_but_the_first(
    original: Any, giving: Giving, *which: Any, **how: Any
) -> None:
    original(giving, *which, **how)
    if giving.last is not None:
        giving._shown.clear()


@replaces(Merger, "_ended")
def know_of_no_restart_where_nothing_was_before(_original: Any, _merger: Any) -> None:
    pass


@replaces(StreamWithPast, "lacking")
def lack_no_last_values(_original: Any, *_which: Any) -> list[bytes]:
    return []


@replaces(Stream, "_take_marker")
def believe_no_marker(_original: Any, _stream: Any, _frames: Any) -> None:
    pass


@replaces(Gap, "after")
def know_where_what_is_unknown_is(original: Any, gap: Gap, other: Gap | None) -> Gap:
    made: Gap = original(gap, other)
    return made if made.first is not None else replace(made, first=gap.first, last=gap.last)


@replaces(since, "after")
def ask_for_one_message_less(original: Any, epoch: int, following: int) -> bytes:
    said: bytes = original(epoch, following + 1)
    return said


@replaces(Asks, "add")
def ask_for_less_of_the_past(original: Any, asks: Asks, prefix: bytes, start: Any) -> None:
    original(asks, prefix, (start[0], start[1] + 3) if isinstance(start, tuple) else start)


@replaces(Losses, "add_for_good")
def tell_nothing_of_what_is_too_large(_original: Any, losses: Losses, gap: Gap) -> None:
    """All else is added otherwise."""


@replaces(PassingStream, "untold_values")
def have_no_other_line_tell_of_a_value_that_is_too_large(
    _original: Any, _stream: PassingStream
) -> None:
    """It is in no order, and told by whatever comes next."""


@replaces(Stream, "_made")
def give_what_is_not_wanted_any_more(
    original: Any, stream: Stream, frames: Any, message: Any
) -> Any:
    made = original(stream, frames, message)
    if made is None:
        message._wire = frames
    return made or message
