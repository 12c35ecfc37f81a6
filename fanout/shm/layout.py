"""Where every word of the shared segment lies, and which process may write it.

One segment for each publisher. All words are native, 8 bytes, 8-byte aligned: only such a store is
seen whole by another process (`struct` with "!" or ">" writes byte by byte and tears).

    area              written by            one each            content
    header            publisher                                 sizes, head, poison, wanted, name
      sleepers        that worker, bells    worker              whether it sleeps
    worker slots      worker, coordinator   worker              tail, progress, totals; its state
    subscriber slots  the owning worker     subscriber          cursor and counters
    cards             coordinator           subscriber          who it is
    clock             coordinator           100 ms              when the log was how long
    closed            coordinator           subscriber's end    the last 10,000 final figures
    ends              publisher             message             where it ends
    topics            publisher             message             topic id
    data              publisher                                 ZMTP wire bytes, back to back
    last values       publisher         topic               see `value_layout`
    areas             that worker           worker process      what its records point to

The *publisher* is its process: who holds the send lock writes HEAD, POISON, WANTED and the
messages, the coordinator, which is a thread of it, everything else.

*Positions* count bytes since the start and never wrap; byte p lies at `data[p % data_bytes]`.
*Sequences* count messages and never wrap; message s ends at position `ends[s % entries]` and begins
where its predecessor ends. So any run of messages is one span, at most two pieces of memory.

The only commit point is the store of HEAD. Nothing at or above it may be read by a worker.
Two parties never write one cache line of 64 bytes, but for the sleepers.

Up to the end of the data the memory is there from the start, and mapped. An *area* is a hole in the
file: used by system calls, which say it if there is no memory, and given back when it is empty.

Only this package knows the numbers below: to all others a record has its words as attributes.
"""

from __future__ import annotations

from dataclasses import dataclass

from fanout.shm.value_layout import NO_TABLE, ValueTable

MAGIC = 0x32544F4E4146  # "FANOT2", little-endian
LAYOUT_VERSION = 15
WORD = 8
LINE = 64
PAGE = 4096

MESSAGE_PART = 4  # a message may take 1/4 of the log: the others then still fit beside it
WORKERS_MAX = 256  # one doorbell descriptor and one slot each

# Header words; the publisher's process writes them. Each group has cache lines of its own.
H_MAGIC = 0
H_VERSION = 1
H_TOTAL_BYTES = 2
H_DATA_BYTES = 3
H_ENTRIES = 4
H_WORKERS = 5  # how many there are, for who attaches
H_SUBSCRIBERS = 6
H_PID = 7  # of the publisher, for who attaches
H_HEAD = 8  # sequence of the next message: everything below it is committed
H_POISON = 16  # the head that is being, or was last, committed: a flag that is up if not HEAD
H_WANTED = 24  # 0, or the sequence which the smallest tail must reach to wake a waiting publisher

# A byte for each worker: 1 while it sleeps. The publisher looks at eight with one load after each
# commit, and zeroes one before it rings: here, and only here, a line has several writers.
H_SLEEPERS = 32  # first word of them
SLEEPERS_EACH = WORD  # workers for each word

H_EPOCH = 64  # this run of the publisher: another number after each restart
H_STARTED = 65  # wall clock ns, for people
H_STATE = 66  # see `header.State`
H_HEARTBEAT = 67  # monotonic ns of the coordinator's last turn: a tool sees that it hangs
H_CLOCK_COUNT = 68  # notes ever written to the clock
H_CLOSED_COUNT = 69  # entries ever written to the ring of ends
H_ENDS_BEGUN = 70  # ends of connections that are booked, or being booked
H_ENDS_BOOKED = 71  # the same, but for one that is being booked
H_NAME = 72  # NAME_BYTES of UTF-8, then zeros
NAME_BYTES = 64
H_LEDGER = 80  # totals of connections and messages: see `header.Totals`; two lines
H_REASONS = 96  # a counter for each number of `fanout.reasons.Reason`; eight lines
REASONS = 64
H_ACCOUNTS = 160  # of connections that have ended: see `header.Totals` as well; three lines
ACCOUNTS = 24
H_HOLD = 184  # sequence: the coordinator needs the log from there, or NO_TAIL
H_HOLDS = 185  # how often that was changed
H_AREAS = 186  # how many there are, for who attaches
H_COMPILED = 189  # 1: what is usual is appended by compiled code; 187 and 188: `value_layout`
H_SLOTS_USED = 190  # the first so many slots of subscribers have been somebody's; only grows
H_FLOOR = 192  # sequence: nothing from there on is overwritten before the writer looks at the tails
H_KNOWN_CREDIT = 193  # the credit that the publisher goes by, of three words
H_CREDIT = 196  # the same, for connections that nobody serves
# Lines 25 and 26 are of last values, see `value_layout`; 27 to 63 free: events by kind (metrics).

# Worker slot: 64 words. The first half, and from W_PAST on, are the worker's, others are not.
WORKER_SLOT_BYTES = 512
W_TAIL = 0  # sequence: the oldest message it may still read, or NO_TAIL
W_FLUSHED = 1  # sequence: everything below is handed to the kernel, for every subscriber
W_SLEEPING = 2  # 0, or a number that is new for each sleep: ring after a commit
W_HEARTBEAT = 3  # monotonic ns of its last sign of life, within its turns too
W_LOAD = 4  # CPU time used in the last second, in thousandths
W_SUBSCRIBERS = 5  # connections it owns, half-open ones too
W_WANTED_SEEN = 6  # the H_WANTED that it last rang the publisher for
W_PROGRESS = 7  # turns that did something or found nothing to do: who stands still counts none
W_RESUME = 8  # sequence: another worker may have to go on from there, or NO_TAIL
W_RESUMING = 9  # the subscriber with whom it is just about to go on, or met a bug; 0 = with none
W_SENDING = 10  # the S_HANDED of whom it is about to send to, or has sent to; 0 = of nobody
W_FROM_SNAPSHOT = 11  # as W_REPLAYED
W_KEYFRAMES_LOST = 12  # topics
W_IN_SNAPSHOT = 13  # subscribers
W_CHANNEL_FULL = 14  # times that its reports were not read; then: not sent, for want of memory
W_CHANNEL_SHORT = 15
W_CPU_NS = 16  # CPU time of its process
W_RSS_BYTES = 17  # resident memory of its process, shared pages too
W_COHORTS = 18  # different wants
W_FRONT = 19  # sequence up to which every ready subscriber was served
W_CONFLATED = 20
W_CONFLATED_BYTES = 21
W_UNRECORDED = 22  # times that there was no memory for what it alone knows of a subscriber
W_REPLAYED = 23
# Totals over all its connections ever, these four as well: a replacement goes on from them.
W_MATCHED = 24
W_SENT = 25
W_SENT_BYTES = 26
W_DROPPED = 27
W_DISCARDED = 28
W_MATCHED_BYTES = 29
W_DROPPED_BYTES = 30
W_DISCARDED_BYTES = 31
WC_PID = 32  # of its process, 0 = none runs
WC_STATE = 33  # see `worker_slot.WorkerState`
WC_RESTARTS = 34  # how often it was replaced
WC_STARTED = 35  # monotonic ns
WC_AREA = 36  # which one its process writes to, from 1; 0 = none
WC_HEARD = 37  # messages of its process that were acted on
W_PAST = 40  # 1 = its process has promised somebody something of the past
W_HOLDING = 41  # the subscriber for which the publisher is to wait; 0 = for nobody
W_CREDIT = 42  # how far it may go, see `Credit`: two words more; 0 = any

NO_TAIL = UNCOUNTED = (1 << 64) - 1  # holds nothing back; is not counted

# Subscriber slot: 128 words, the worker's; some in the order of `subscriber_slot.Checkpoint`.
SUBSCRIBER_SLOT_BYTES = 1_024
S_VERSION = 0  # odd while the words below are being changed
S_ID = 1  # subscriber id, 0 = free
S_POSITION = 2  # position of the next byte to send, when it takes everything
S_SEQUENCE = 3  # next message that is not wholly sent
S_OFFSET = 4  # bytes of that message that were sent
S_MATCHED = 5
S_SENT = 6
S_SENT_BYTES = 7
S_DROPPED = 8
S_BLOCKED_SINCE = 9  # monotonic ns, 0 = its socket takes what it gets
S_STREAM_BYTES = 10  # every byte ever handed to the kernel on this connection
S_COUNTED = 11  # all below is in S_MATCHED
S_MATCHED_BYTES = 12
S_DROPPED_BYTES = 13
S_CONFLATED = 14
S_CONFLATED_BYTES = 15
S_DROPS = 16  # for each of `reasons.DROPPING` but the first: messages; then for each: bytes
DROPS = 6
S_OLDEST = 22  # the oldest message that is queued, if any is
S_KERNEL_BYTES = 23  # that the kernel had not sent, or that were not acknowledged, when asked last
S_RATE = 24  # messages sent in the last second
S_RATE_BYTES = 25
S_UNCOUNTED = 26  # 1 = it is to be sent more of the past, which is in no figure
S_BANK = 27  # records ever written; its lowest bit names the bank of the last one, 0 = none yet
S_ACTED = 28  # bytes of its input on which all is done, if its record does not say more
# On a Unix socket, whose bytes the kernel does not count: see `own_counts`.
S_HANDED = 29  # which slot it is, and bytes that it has taken; UNCOUNTED = its end has begun
S_TAKEN = 30  # bytes of its input that were taken from it, or UNCOUNTED = some are being taken
S_TAKING = 31  # 0; or these are to be taken, less those that are looked at and not taken then
S_BANKS = 32  # two of them: from where another worker can go on with the stream
BANK_WORDS = 48  # in the order of `stream_record.StreamRecord`
SPEECH_BYTES = 136  # of each, at its end: what is to be said that is not in the log

# Card: 56 words, the coordinator's. Words 54 and 55 are free.
CARD_BYTES = 448
C_VERSION = 0  # odd while the words below are being changed
C_ID = 1  # subscriber id, 0 = free
C_WORKER = 2
C_PROTOCOL = 3  # ZMTP version in tenths, 0 = in its handshake
C_POLICY = 4  # see `cards.POLICIES`
C_SINCE = 5  # monotonic ns when it was accepted
C_SUBSCRIPTIONS = 6  # distinct ones
C_CHOSEN_BY = 7  # who chose its policy, see `cards.CHOSEN_BY`
C_PEER = 8  # PEER_BYTES of UTF-8, then zeros
PEER_BYTES = 64
C_ENDPOINT = 16  # ENDPOINT_BYTES of UTF-8, then zeros; the longest path of a Unix socket fits
ENDPOINT_BYTES = 128
C_NAME = 32  # what it calls itself: NAME_BYTES of UTF-8, then zeros
C_LIMIT_BYTES = 40  # the numbers of its policy; times in ns, the share in billionths
C_LIMIT_MESSAGES = 41
C_LIMIT_AGE = 42
C_SOFT = 43
C_MIN_INTERVAL = 44
C_MAX_RATE = 45
C_USER = 46  # who it has proven to be: NAME_BYTES of UTF-8, then zeros

# Clock: a ring of notes of four words, the coordinator's.
CLOCK_NOTES = 4_096  # seven minutes of traffic, an hour of idleness
CLOCK_NOTE_BYTES = 32
K_TIME = 0  # monotonic ns
K_HEAD = 1
K_POSITION = 2
K_NUMBER = 3  # of the note, from 1; stored last

# Ring of ends of subscribers: entries of 64 words, the coordinator's.
CLOSED_ENTRIES = 10_000
CLOSED_ENTRY_BYTES = 512
E_NUMBER = 0  # of the end, from 1; 0 while the entry is being changed
E_ID = 1
E_WORKER = 2
E_OPENED = 3  # monotonic ns
E_CLOSED = 4  # monotonic ns
E_REASON = 5  # number of `fanout.reasons.Reason`
E_MATCHED = 6
E_SENT = 7
E_DROPPED = 8
E_DISCARDED = 9
E_KERNEL_BYTES = 10
E_MATCHED_BYTES = 11
E_SENT_BYTES = 12
E_DROPPED_BYTES = 13
E_DISCARDED_BYTES = 14
E_CONFLATED = 15
E_PEER = 16  # PEER_BYTES
E_TEXT = 24  # TEXT_BYTES of UTF-8, cut if it is longer
TEXT_BYTES = 64
E_CONFLATED_BYTES = 32
E_DROPS = 33  # DROPS words, as in the slot
E_INEXACT = 39  # 1 = its worker was lost, and some figures may be too small
E_NAME = 40  # NAME_BYTES of UTF-8, then zeros
E_PROTOCOL = 48  # ZMTP version in tenths, 0 = its handshake was never done
E_POLICY = 49  # see `cards.POLICIES`; in the upper half who chose it, see `cards.CHOSEN_BY`
E_LIMIT_BYTES = 50  # the first of the numbers of its policy, in the order of those on a card
E_MAX_RATE = 55
E_USER = 56  # who it had proven to be: NAME_BYTES of UTF-8, then zeros

# Areas: a lost worker's stays until others have gone on. No memory is taken that is not written to.
AREAS = 2 * WORKERS_MAX
AREA_LOGS = 4  # times the log's size: twice what members may have rests of, see `Tuning.spill_logs`

BYTES_PER_ENTRY = 64  # one index entry for each so many bytes of log; smaller messages wait for it


def _round_up(value: int, unit: int) -> int:
    return -(-value // unit) * unit


@dataclass(frozen=True, slots=True)
class Layout:
    """Offsets of the areas for given sizes; pure arithmetic.

    Args:
        data_bytes: bytes of log, a multiple of PAGE.
        entries: messages that the index holds, a power of two.
        subscribers: subscriber slots.
        areas: of workers.
        table: of last values.
    """

    data_bytes: int
    entries: int
    subscribers: int
    areas: int = AREAS
    table: ValueTable = NO_TABLE

    @classmethod
    def for_options(cls, log_bytes: int, subscribers: int, table: ValueTable = NO_TABLE) -> Layout:
        """The layout for a log of at least `log_bytes` and so many subscribers."""
        data_bytes = _round_up(log_bytes, PAGE)
        entries = 1 << max(data_bytes // BYTES_PER_ENTRY - 1, 1).bit_length()
        return cls(data_bytes, entries, subscribers, AREAS, table)

    @property
    def worker_slots(self) -> int:
        return PAGE

    @property
    def subscriber_slots(self) -> int:
        return self.worker_slots + WORKERS_MAX * WORKER_SLOT_BYTES

    @property
    def cards(self) -> int:
        return self.subscriber_slots + self.subscribers * SUBSCRIBER_SLOT_BYTES

    @property
    def clock(self) -> int:
        return self.cards + self.subscribers * CARD_BYTES

    @property
    def closed(self) -> int:
        return self.clock + CLOCK_NOTES * CLOCK_NOTE_BYTES

    @property
    def ends(self) -> int:
        return _round_up(self.closed + CLOSED_ENTRIES * CLOSED_ENTRY_BYTES, PAGE)

    @property
    def topics(self) -> int:
        return self.ends + self.entries * WORD

    @property
    def data(self) -> int:
        return _round_up(self.topics + self.entries * WORD, PAGE)

    @property
    def values(self) -> int:
        return self.data + self.data_bytes

    @property
    def mapped_bytes(self) -> int:
        """What is allocated at the start, and mapped."""
        return self.values + self.table.size

    @property
    def area_bytes(self) -> int:
        """Of one of them."""
        return AREA_LOGS * self.data_bytes

    def area(self, number: int) -> int:
        """Where area `number` begins, from 1."""
        return _round_up(self.mapped_bytes, PAGE) + (number - 1) * self.area_bytes

    @property
    def total_bytes(self) -> int:
        return self.area(self.areas + 1) if self.areas else self.mapped_bytes


for _bytes in (WORKER_SLOT_BYTES, SUBSCRIBER_SLOT_BYTES, CARD_BYTES, CLOSED_ENTRY_BYTES):
    assert _bytes % LINE == 0, "two writers would share a line"
assert H_SLEEPERS * WORD % LINE == 0, "a line of the coordinator would be shared"
assert H_SLEEPERS + WORKERS_MAX // SLEEPERS_EACH <= H_EPOCH, "the sleepers have lines of their own"
assert H_NAME + NAME_BYTES // WORD <= H_LEDGER, "the name would reach into the totals"
assert H_REASONS + REASONS <= H_ACCOUNTS <= PAGE // WORD - ACCOUNTS, "the header is one page"
assert W_DISCARDED_BYTES < WC_PID < WC_HEARD < W_PAST < WORKER_SLOT_BYTES // WORD, "for each of two"
assert WC_PID * WORD % LINE == W_PAST * WORD % LINE == 0, "two writers would share a line"
assert S_DROPS + DROPS <= S_OLDEST < S_TAKING < S_BANKS, "drops and banks have their own words"
assert S_BANKS + 2 * BANK_WORDS <= SUBSCRIBER_SLOT_BYTES // WORD, "both banks are in the slot"
assert H_HOLD >= H_ACCOUNTS + ACCOUNTS, "the hold has a line of its own"
assert H_FLOOR * WORD % LINE == 0, "the floor has a line of its own"
assert C_PEER + PEER_BYTES // WORD <= C_ENDPOINT, "the peer would reach into the endpoint"
assert C_ENDPOINT + ENDPOINT_BYTES // WORD <= C_NAME, "the endpoint would reach into the name"
assert C_NAME + NAME_BYTES // WORD <= C_LIMIT_BYTES, "the name would reach into the policy"
assert C_USER + NAME_BYTES // WORD <= CARD_BYTES // WORD, "a card is 56 words"
assert E_TEXT + TEXT_BYTES // WORD <= E_CONFLATED_BYTES, "the text has words of its own"
assert E_DROPS + DROPS <= E_INEXACT < E_NAME, "the drops have words of their own"
assert E_NAME + NAME_BYTES // WORD <= E_PROTOCOL < E_POLICY, "the name has words of its own"
assert E_MAX_RATE - E_LIMIT_BYTES == C_MAX_RATE - C_LIMIT_BYTES, "the same numbers as on a card"
assert E_MAX_RATE < E_USER <= (CLOSED_ENTRY_BYTES - NAME_BYTES) // WORD, "it is 64 words"
