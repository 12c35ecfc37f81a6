"""How much is done at once: sizes and counts that were found by measuring. Pure.

Nothing here changes what a subscriber gets, only how it is cut into pieces. The defaults are what
a worker runs with; the simulation hands in small ones, so that every limit is met often.
"""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowTuning:
    """How much is looked at and sent at once of what was published before somebody came."""

    values_per_send: int = 400
    bytes_per_send: int = 64 * KIB  # or one message
    values_per_look: int = 2_000  # of which none is to be sent, until others have their turn
    names_per_look: int = 4_096  # or a quarter as many prefixes: about 1 ms
    listed_max: int = 4 * 1024 * 1024  # values in all lists, up to 20 bytes each: 80 MiB
    list_part: int = 1_024  # values of a list, once there are more
    recent_lists: int = 8  # that are kept though nobody has them
    shared_times: int = 4  # as much in a send of what others have as well: some 2 ms, once for all
    small_part: int = 1_024  # 1/1024 of the log: so little may stay stored for half a second
    in_order: bool = False  # look at prefixes by their names; else as a set has them, which is free
    places_per_look: int = 512  # of which keyframes are looked for: less than 1 ms
    messages_per_look: int = 16_384  # that may be keyframes: less than 1 ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Each piece of a worker copies what it needs when it is made."""

    # Time. A turn has some five parts: a healthy subscriber waits for one turn and one batch.
    part_ns: int = 8_000_000  # of one part of a turn: new messages, who is behind, limits, ends
    tick_ns: int = 2_000_000  # of each thing that is done in a tick, whose turn comes after them
    behind_ns: int = 4_000_000  # of who is behind, while others wait for their turn in a round
    others_ns: int = 2_000_000  # of who is behind, when there is something new for who keeps up
    round_parts: int = 2  # of turns that a round has before who is not steady goes on alone,
    round_parts_max: int = 8  # or so many, if sends are large: then the next one is shorter
    sort_ns: int = 32_000_000  # of sorting one batch: less would make sends small
    sends_per_look: int = 64  # at the clock; each takes some microseconds
    bytes_per_send: int = 8 * KIB  # so many more may take as long as one more send
    bytes_per_look: int = 2 * MIB  # sent to who is behind: half a millisecond
    appends_per_look: int = 65_536  # at the clock, in sorting: some three milliseconds

    # Sends.
    span_bytes: int = MIB  # offered to one send: more than a socket takes, so that it is filled
    serve_steps: int = 4  # sends to one blocked member before others get their turn
    abreast: int = 8  # members that are sent the same before it is noted: 1 to 2 ms
    writable_per_turn: int = 256  # sockets with room again that are served in a turn

    # Batches of new messages that have to be sorted.
    batch_bytes: int = 8 * MIB  # of log in one: copied once, then cut
    batch_messages_min: int = 4096  # sorted in about a millisecond; fewer only if time demands it
    batch_messages_max: int = 65_536  # some ten milliseconds; other work waits for so long
    batch_send_bytes: int = 48 * KIB  # of one send: from here on the system call is not what costs
    batches_per_turn: int = 16
    catch_ups: int = 8  # as much as so many turns send, before who comes is promised what follows
    topics_remembered: int = 131_072  # ids with their cohorts; 65,536 are interned by default
    appends_remembered: int = 2_097_152  # places of all these together where messages go: 16 MiB
    shared_prefixes: int = 4  # of a cohort, up to which it shares the picks of its prefixes,
    shared_from: int = 32  # if more such cohorts than this want one of them; else its own cost less
    crowd_messages: int = 1_024  # of a round, up to which who shares these waits for nobody
    owned_from: int = 64  # short wants of a member from which on it may have a cohort of its own
    large_change: int = 4  # a change of 1/4 of all wants costs little less than to begin anew
    parked_after: int = 4096  # messages picked for a cohort without anybody ready
    parked_after_ns: int = 500_000_000  # of that: in a flood, who is full has room again before

    # What members that are behind share.
    chunk_messages: int = 4096  # about a millisecond to cut and group
    chunk_bytes: int = MIB  # of log in a chunk, or one message
    chunk_tables: int = 8  # by length of a prefix; each has up to `chunk_bytes` of topics once more
    chunks_kept: int = 8  # at once; with both, the memory that all members behind share
    census_messages: int = 4096  # small beside what a member loses, large beside adding it up
    censuses_kept: int = 64  # each takes up to 128 KiB, beside the topics themselves

    # Last values, and keyframes with what came since.
    show: ShowTuning = ShowTuning()

    # Checkpoints.
    checkpoints_per_tick: int = 1_024  # slots brought up to date in a tick: some milliseconds

    # What one member may leave undone.
    older_max: int = 256  # changes of subscriptions while it takes nothing; each costs 100 bytes
    spill_logs: int = 2  # times the log's size: messages outside it that members have rests of
    control_bytes_max: int = 64 * KIB  # answers unread to PINGs that came with its handshake


TUNING = Tuning()
