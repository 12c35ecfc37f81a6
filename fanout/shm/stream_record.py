"""Records of streams: from where another worker can go on with a subscriber's, to the byte.

A record says: from this byte of the connection on there come the rest of message S, what was to be
said, and then what the subscriber wants of the log from message N on. What of that was handed to
the kernel is not in it: the kernel counts that. What does not fit into it, or is not in the log any
more, is in a `SpillArea`. So a record is true until something is sent that
does not follow from it, however much is sent meanwhile, and need not be written for each send.

There are two banks in a slot. The one that does not count is written as a whole, and then chosen by
one store; whoever dies in between leaves the other one as it was.
"""

from __future__ import annotations

import enum
import struct
from typing import TYPE_CHECKING, NamedTuple

from fanout.shm import fence as fences
from fanout.shm import layout as at
from fanout.shm.layout import SPEECH_BYTES as SPEECH_BYTES
from fanout.shm.words import Record, Word, words_at
from fanout.shm.worker_slot import NO_TAIL

if TYPE_CHECKING:
    from fanout.shm.segment import Segment


class Kind(enum.IntEnum):
    """What can be done with a stream if its worker is lost."""

    NONE = 0  # nothing: it has no record
    GOES_ON = 1
    WANTS_NOTHING = 2  # it goes on, and needs nothing of the log
    NO_ROOM = 3  # nothing: there was no memory for what its worker alone knows
    GOING_BACK = 4  # nothing: it is about to be sent what it has missed, and that is not begun

    SEALED = 5  # nothing: only its worker has the key, and knows what has gone out

    @classmethod
    def _missing_(cls, value: object) -> Kind:
        return cls.NONE

    @property
    def goes_on(self) -> bool:
        """Whether another worker can go on with it."""
        return self in (Kind.GOES_ON, Kind.WANTS_NOTHING)

    @property
    def why_not(self) -> str:
        """Why it cannot go on, for people."""
        return _WHY_NOT[self]


# With what comes before them they fit into the ring of ends (TEXT_BYTES), as do all others.
_WHY_NOT = {
    Kind.NONE: "its worker had written no record of it",
    Kind.NO_ROOM: "no memory for what its worker knew",
    Kind.GOING_BACK: "it was about to get what it missed",
    Kind.SEALED: "encrypted: its worker had the key",
}


class StreamRecord(NamedTuple):
    """Where a stream stands, and what was counted up to there.

    The fields are in the order of the words in a bank.
    """

    kind: int
    needed: int  # the message from which on the log must be there, NO_TAIL = it need not
    sequence: int  # S: the message that comes next, or the rest of which does
    offset: int  # bytes of it that were sent, in the encoding of the stream
    start: int  # position of its first byte
    following: int  # N: S, if nothing comes between it and what follows in the log
    # Where in a `SpillArea` there is what, and its bytes; 0 = nothing.
    copy: int  # message S, whole, as the stream has it: the log may not have it any more
    copy_bytes: int
    more: int  # what its worker alone knows, see `more.py`
    more_bytes: int
    # As in the checkpoint of the same instant, in that order.
    matched: int
    sent: int
    sent_bytes: int
    dropped: int
    stream_bytes: int  # handed to the kernel on this connection, up to here
    counted: int  # messages below this are in `matched`, if it wanted them
    matched_bytes: int
    dropped_bytes: int
    conflated: int
    conflated_bytes: int
    dropped_messages: int
    dropped_age: int
    dropped_log: int
    dropped_messages_bytes: int
    dropped_age_bytes: int
    dropped_log_bytes: int
    wanted_from: int  # from this message on it gets what its changes say; before, what is in `more`
    acted: int  # bytes of its input on which all is done, if `speech` is said
    speech: bytes  # what is to be said, between S and N

    @property
    def is_kept(self) -> bool:
        """Whether the log keeps the message with which it begins.

        Of one that was begun before a jump the rest may be gone by then: who takes nothing for long
        must not hold the log for it. Then its stream cannot go on.
        """
        return self.needed <= self.sequence

    @property
    def drops(self) -> tuple[int, int, int, int, int, int]:
        """As in a member: messages by reason, then bytes."""
        return self[20:26]


_NUMBERS = len(StreamRecord._fields) - 1
_KIND, _NEEDED = map(StreamRecord._fields.index, ("kind", "needed"))  # words of a bank
_BANK = struct.Struct(f"{_NUMBERS}Q{at.SPEECH_BYTES}sQ")  # numbers, speech, length of the speech
_WORDS = at.BANK_WORDS
_packed = bytearray(_WORDS * at.WORD)  # one for all: a process writes records on one thread
_packed_words = memoryview(_packed).cast("Q")
_pack_into = _BANK.pack_into
assert _BANK.size <= _WORDS * at.WORD, "a bank has room for all of it"


class StreamSlot(Record):
    """The banks of one subscriber's slot; the worker that owns it writes.

    Args:
        index: of the slot.
    """

    __slots__ = ("_banks", "index")

    def __init__(self, segment: Segment, index: int) -> None:
        offset = segment.layout.subscriber_slots + index * at.SUBSCRIBER_SLOT_BYTES
        words = words_at(segment, offset, at.SUBSCRIBER_SLOT_BYTES)
        super().__init__(words)
        self.index = index
        first = [at.S_BANKS, at.S_BANKS + _WORDS]
        self._banks = [words[place : place + _WORDS] for place in first]

    acted = Word(at.S_ACTED, "bytes of its input on which all is done, if no record says more")

    count = Word(at.S_BANK, "records ever written")

    # Of a Unix socket, see `own_counts`.
    taken = Word(at.S_TAKEN, "bytes that were taken from it, UNCOUNTED = some are being taken")
    taking = Word(at.S_TAKING, "0; or how many were taken, with those that are looked at only")

    def is_at(self, subscriber: int, count: int) -> bool:
        """Whether it is this subscriber's, and nobody has written one since there were so many."""
        return self.words[at.S_ID] == subscriber and self.count == count

    def write(self, record: StreamRecord) -> None:
        """Make this the record; its speech is no longer than SPEECH_BYTES."""
        words = self.words
        count = words[at.S_BANK] + 1
        _pack_into(_packed, 0, *record, len(record[-1]))
        self._banks[count & 1][:] = _packed_words
        if fences.BARRIER is not None:
            fences.BARRIER()
        words[at.S_BANK] = count
        if fences.BARRIER is not None:
            fences.BARRIER()  # before what is sent next

    def refuse(self, kind: Kind) -> bool:
        """From now on nobody goes on by the record that is there; False = there is none.

        Args:
            kind: why not. It takes two stores, where to write such a record takes all its words.
        """
        words = self.words
        count = words[at.S_BANK]
        if not count:
            return False
        bank = self._banks[count & 1]
        bank[_KIND] = kind
        bank[_NEEDED] = NO_TAIL  # after that: of one that goes on, the log must be there
        if fences.BARRIER is not None:
            fences.BARRIER()  # before what is said or sent next
        return True

    def read(self, subscriber: int) -> StreamRecord | None:
        """The record of this subscriber, None if it has none; its worker does not run any more."""
        words = self.words
        count = words[at.S_BANK]
        if not count or words[at.S_ID] != subscriber:
            return None
        *numbers, speech, length = _BANK.unpack_from(self._banks[count & 1].tobytes())
        return StreamRecord._make((*numbers, speech[:length]))

    def end(self) -> None:
        """Nobody goes on with it: of a Unix socket it cannot be told that its end has begun."""
        self.words[at.S_HANDED] = at.UNCOUNTED
