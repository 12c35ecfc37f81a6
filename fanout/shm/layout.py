"""Where every word of the shared segment lies, and which process may write it.

One segment for each publisher. All words are native, 8 bytes, 8-byte aligned: only such a store is
seen whole by another process (`struct` with "!" or ">" writes byte by byte and tears).

    offset        area              written by            content
    0             header            coordinator           sizes, head, poison, wanted
    256           sleepers          that worker, bells    whether it sleeps
    4096          worker slots      that worker           tail, flushed, sleeping, heartbeat, load
    + 256 x 128   subscriber slots  the owning worker     cursor, counters; a free one: coordinator
    + n x 128     ends              coordinator           end position of each message
    + m x 8       topics            coordinator           topic id of each message
    + m x 8       data              coordinator           ZMTP wire bytes, back to back

*Positions* count bytes since the publisher started and never wrap; the byte at position p lies at
`data[p % data_bytes]`. *Sequences* count messages and never wrap; message s ends at position
`ends[s % entries]` and begins where its predecessor ends. So the bytes of any run of messages are
one span of positions, which is at most two pieces of memory.

The only commit point is the store of HEAD. Nothing at or above it may be read by a worker.
Two parties never write one cache line of 64 bytes, but for the sleepers.
"""

from __future__ import annotations

from dataclasses import dataclass

MAGIC = 0x31544F4E4146  # "FANOT1", little-endian
LAYOUT_VERSION = 1

WORD = 8
LINE = 64
PAGE = 4096

# Header words. Each group below has a cache line of its own.
H_MAGIC = 0
H_VERSION = 1
H_TOTAL_BYTES = 2
H_DATA_BYTES = 3
H_ENTRIES = 4
H_WORKERS = 5
H_SUBSCRIBERS = 6
H_PID = 7  # of the coordinator
H_HEAD = 8  # sequence of the next message: everything below it is committed
H_POISON = 16  # the head that is being, or was last, committed: a flag that is up if not HEAD
H_WANTED = 24  # 0, or the sequence which the smallest tail must reach to wake a waiting publisher

# A byte for each worker: 1 while it sleeps. The publisher looks at those of eight workers with one
# load after each commit, and zeroes the byte of one before it rings for it; so here, and only here,
# a line has several writers. It changes when a worker falls asleep and when it is woken.
H_SLEEPERS = 32  # first word of them
SLEEPERS_EACH = WORD  # workers for each word

# Worker slot words (16 words = two lines).
SLOT_BYTES = 128
SLOT_WORDS = SLOT_BYTES // WORD
W_TAIL = 0  # sequence: the oldest message it may still read, or NO_TAIL
W_FLUSHED = 1  # sequence: everything below is handed to the kernel, for every subscriber
W_SLEEPING = 2  # 0, or a number that is new for each sleep: ring after a commit
W_HEARTBEAT = 3  # monotonic ns of its last tick
W_LOAD = 4  # CPU time used in the last second, in thousandths
W_SUBSCRIBERS = 5  # connections it owns, half-open ones too
W_WANTED_SEEN = 6  # the H_WANTED that it last rang the publisher for

NO_TAIL = (1 << 64) - 1  # holds nothing back

# Subscriber slot words.
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

WORKER_SLOTS = 256  # options.WORKERS_MAX
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
    """

    data_bytes: int
    entries: int
    subscribers: int

    @classmethod
    def for_options(cls, log_bytes: int, subscribers: int) -> Layout:
        """The layout for a log of at least `log_bytes` and so many subscribers."""
        data_bytes = _round_up(log_bytes, PAGE)
        entries = 1 << max(data_bytes // BYTES_PER_ENTRY - 1, 1).bit_length()
        return cls(data_bytes, entries, subscribers)

    @property
    def worker_slots(self) -> int:
        return PAGE

    @property
    def subscriber_slots(self) -> int:
        return self.worker_slots + WORKER_SLOTS * SLOT_BYTES

    @property
    def ends(self) -> int:
        return _round_up(self.subscriber_slots + self.subscribers * SLOT_BYTES, PAGE)

    @property
    def topics(self) -> int:
        return self.ends + self.entries * WORD

    @property
    def data(self) -> int:
        return _round_up(self.topics + self.entries * WORD, PAGE)

    @property
    def total_bytes(self) -> int:
        return self.data + self.data_bytes


assert SLOT_BYTES % LINE == 0, "two writers would share a line"
assert H_SLEEPERS * WORD % LINE == 0, "a line of the coordinator would be shared"
assert H_SLEEPERS * WORD + WORKER_SLOTS <= PAGE, "the header is one page"
assert S_STREAM_BYTES < SLOT_WORDS, "a subscriber slot is 16 words"
assert W_WANTED_SEEN < SLOT_WORDS, "a worker slot is 16 words"
