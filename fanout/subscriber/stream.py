"""From frames to messages: what is wanted, where the stream stands, what is missing in it. Pure.

A publisher with `sequence_frame` ends each message in its epoch and its number. Who wants
everything sees each number that is missing. Who wants some topics sees holes that are none: there
only the publisher's markers tell what was lost, and of the time between two connections nobody can.

Most publishers send that again, if they are asked for what came after the last message that we
have (`since`). Then numbers go on where they were, and the publisher tells what is not there any
more. Subscriptions that do not come to it in one piece have each their own beginning: until all of
them are taken (`answered`) messages come in any order, and it is remembered which have come.

What one read brought is looked at as a whole: mostly its numbers are as they should be. If they are
not, it is taken message by message.
"""

from __future__ import annotations

import struct
from itertools import islice
from operator import lt
from typing import TYPE_CHECKING

from fanout.subscriber import since as at
from fanout.subscriber.early import Came
from fanout.subscriber.losses import Losses, begins_last, marker_of
from fanout.subscriber.message import (
    EXPIRED,
    MISSING,
    RECONNECTED,
    RESTARTED,
    Gap,
    Message,
    NumberedMessage,
    ReplayedMessage,
    last_message,
)
from fanout.subscriber.plain import plain_messages
from fanout.subscriber.prefixes import Prefixes
from fanout.terms.reserved import RESERVED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fanout.subscriber.asks import Ask
    from fanout.subscriber.parsing import Frames
    from fanout.terms.introduction import Introduction

NUMBER = struct.Struct(">QQ")  # epoch and sequence, as `sequence_frame` has them


class Stream:
    """What one publisher sends us, over one connection after another. Owned by one thread.

    Args:
        start: the position that it goes on from, or what it asks for at first, or b"".

    Attributes:
        wants: prefixes that are subscribed to; to be changed by `want` and `leave`.
        unwanted: messages that came though nobody wants them any more.
        doubles: messages that came though they had come before.
        losses: what is missing.
        back: a later subscription of which it gets what was published before; None: of none.
    """

    def __init__(self, wants: Iterable[bytes], start: bytes | at.Position = b"") -> None:
        self.wants = Prefixes(wants)
        self.unwanted = 0
        self.doubles = 0
        self.losses = Losses()
        self.back: Ask | None = None
        self._numbered = False
        self._seen: tuple[int | None, int] | None = None  # epoch and head at the last handshake
        self._epoch: int | None = None  # of the last message that had a number
        self._next = 0  # number of the message that comes next if none is missing
        self._told = 0  # up to this number the publisher has told what is missing
        self._is_open = False  # what was published since the last connection may be missing
        self._former: tuple[bytes, ...] | None = None  # wanted before everything; see `_is_next`
        self._start = b""  # what to ask for as long as nothing has come
        self._origin: tuple[int, int] | None = None  # epoch and number of all that is wanted
        self._replayed = 0  # messages of this connection below that were published before it
        self._early: Came | None = None  # have come, though older ones may still come
        self._is_answered = True  # all subscriptions are taken
        self._is_last = False  # what comes were the last ones of their topics; not in our order
        if isinstance(start, bytes):
            self._start = start
        else:
            self._epoch, self._next = start[0], start[1] + 1
            self._seen = start[0], -1

    @property
    def position(self) -> tuple[int, int] | None:
        """Epoch and sequence number of the last message that came; None: not known."""
        return None if self._epoch is None or not self._next else (self._epoch, self._next - 1)

    def want(self, prefix: bytes) -> bool:
        """Subscribe; False if it was subscribed to already."""
        if prefix in self.wants:
            return False
        if not prefix and self.back is None:
            self._former = (*self.wants,)
        self.wants.add(prefix)
        return True

    def leave(self, prefix: bytes) -> bool:
        """Cancel; False if it was not subscribed to."""
        if prefix not in self.wants:
            return False
        self.wants.remove(prefix)
        self._former = self._former if prefix else None
        return True

    def since(self, introduction: Introduction) -> bytes:
        """What to ask this publisher for: all that is wanted and did not come; b"" = nothing."""
        if not introduction.sequence or not introduction.replay:
            return b""
        known = self.known
        if known is None:
            return self._start
        epoch, following = known
        # Of another run all is sent there is, whatever number was had of this one.
        return at.after(epoch, following if epoch == introduction.epoch else max(following, 1))

    @property
    def known(self) -> tuple[int, int] | None:
        """Epoch and number from which on all is to come that is wanted; None: from the start on."""
        if self._epoch is not None and self._next:
            return self._epoch, self._next
        return self._origin

    @property
    def epoch(self) -> int | None:
        """Of the publisher that it is, or was last, connected to; None: it has not said."""
        return None if self._seen is None else self._seen[0]

    @property
    def is_unordered(self) -> bool:
        """Whether what comes was missed, of one subscription after another."""
        return self._early is not None

    def begin(self, introduction: Introduction | None, *, asked: bool = False) -> None:
        """A connection begins: of a publisher that has said this of itself, or nothing.

        Args:
            asked: it was asked for `since`.
        """
        self._numbered = introduction is not None and introduction.sequence
        self._is_last = False
        epoch = None if introduction is None else introduction.epoch
        before = self._seen
        self._seen = epoch, head = epoch, 0 if introduction is None else introduction.head
        self._replayed = head if asked else 0
        self._is_answered = not asked
        if asked:
            assert epoch is not None  # else there was nobody to be asked
            self._go_on(epoch)
            return
        if self._early:
            self._pass(self._early.top + 1)
        self._early = None
        if before is None and epoch is not None:
            self._origin = epoch, head
        if before is None or (epoch is not None and before == self._seen):
            self._former = self._former if self._is_open else None  # everything was said first
            return  # nothing was published meanwhile, if this is not the first connection
        if before[0] != epoch and None not in (before[0], epoch):
            self.losses.add(Gap(RESTARTED, epoch=epoch))
        elif self._numbered and self._epoch is not None:
            self._is_open = True
            return
        else:
            self.losses.add(Gap(RECONNECTED, epoch=epoch))
        self._epoch = self._former = None
        self._origin = None if epoch is None else (epoch, head)

    def _pass(self, number: int) -> None:
        """All before this number has come, or is lost: no other connection is asked for it."""
        if number > self._next:
            self._next = number
            self.losses.keep()

    def _go_on(self, epoch: int) -> None:
        """What did not come over the connections before comes now, or is told again."""
        self._is_open = False
        self._former = None  # all is asked for at once
        self._told = 0
        known = self.known
        losses, before = self.losses, self.losses.gap
        if before is not None and (known is None or known[0] == epoch):
            losses.retract()
            if before.reason == RESTARTED and (not losses.gap or losses.gap.reason != RESTARTED):
                losses.add(Gap(RESTARTED, epoch=epoch))
        if known is not None and known[0] != epoch:
            losses.add(Gap(RESTARTED, epoch=epoch))
            self._epoch, self._next = epoch, 0
            self._origin = epoch, 0
            self._early = None
        if b"" not in self.wants and self._early is None:
            self._early = Came()

    @property
    def is_asking(self) -> bool:
        """Whether `answered` is still to be called."""
        return not self._is_answered

    def answered(self) -> None:
        """What comes from now on comes in order: all subscriptions are taken."""
        self._is_answered = True
        if not self._early:
            self._early = None

    def take(self, found: Sequence[Frames]) -> list[Message]:
        """The messages of a read, as the program gets them."""
        is_past = self.back is not None or self._former is not None
        is_certain = not (self._is_open or self._is_last or is_past)
        if found and self.losses.gap is None and self._early is None and is_certain:
            messages = self._take_numbered(found) if self._numbered else self._take_others(found)
            if messages is not None:
                return messages
        settled = map(self._settled, found)
        return [message for message in settled if message is not None]

    def _take_numbered(self, found: Sequence[Frames]) -> list[Message] | None:
        """Take them if all are in order; None if not."""
        lasts, count = [frames[-1] for frames in found], len(found)
        numbers = b"".join(lasts)
        if len(numbers) != NUMBER.size * count or max(map(len, lasts)) != NUMBER.size:
            return None
        if min(map(len, found)) < 2:
            return None  # a topic that looks like a number
        words = struct.unpack(f">{2 * count}Q", numbers)
        sequences, epoch, wants_all = words[1::2], self._epoch, b"" in self.wants
        if epoch is None or words[::2].count(epoch) != count:
            return None
        first = sequences[0]
        if wants_all:
            if first != self._next or sequences != tuple(range(first, first + count)):
                return None
        elif first < self._next or not all(map(lt, sequences, islice(sequences, 1, None))):
            return None
        kind = NumberedMessage
        if first < self._replayed:
            if sequences[-1] >= self._replayed:
                return None
            kind = ReplayedMessage
        self._next = sequences[-1] + 1
        messages: list[Message] = []
        add, new, prefixes = messages.append, object.__new__, self.wants.together
        for frames in found:
            if wants_all or frames[0].startswith(prefixes):
                message = new(kind)
                message._wire = frames
                add(message)
        self.unwanted += count - len(messages)
        return messages

    def _take_others(self, found: Sequence[Frames]) -> list[Message] | None:
        """Take them if none is of the reserved topics; None if one is."""
        messages = plain_messages(found, self.wants.together)
        if messages is not None:
            self.unwanted += len(found) - len(messages)
        return messages

    def _settled(self, frames: Frames) -> Message | None:
        """Take one that may be the first after something, or out of order; None: it is nothing."""
        if frames[0].startswith(RESERVED) and self._seen is not None and self._seen[0] is not None:
            self._take_marker(frames)
            return None
        if self._is_last:
            return self._made(frames, last_message(frames, numbered=self._numbered))
        if not self._numbered or len(frames) < 2 or len(frames[-1]) != NUMBER.size:
            return self._made(frames, Message())
        epoch, sequence = NUMBER.unpack(frames[-1])
        if self._epoch != epoch:
            first = sequence if self._early is None else 0
            self._epoch, self._next, self._told = epoch, first, 0
        is_early, topic = self._early is not None, frames[0]
        if not (self._is_new if is_early else self._is_next)(sequence, topic):
            self.doubles += 1
            return None
        is_old = sequence < self._replayed
        return self._made(frames, ReplayedMessage() if is_old else NumberedMessage())

    def _is_next(self, sequence: int, topic: bytes) -> bool:
        """Take this number, if it has not come before.

        Until one comes that only the subscription to everything matches, others were not wanted.
        """
        if sequence < self._next:
            return False
        if self._former is None or self._is_open:
            self._miss(sequence)
        if self._is_open or not topic.startswith(self._former or ()):
            self._former = None
        self._is_open = False
        self._next = sequence + 1
        return True

    def _is_new(self, sequence: int, _topic: bytes) -> bool:
        """Take this number among those that come in any order, if it has not come before."""
        early = self._early
        if early is None or sequence < self._next or sequence in early:
            return False
        if self._is_answered and (not early or sequence > early.top):
            self._early, self._next = None, sequence + 1
            return True
        early.add(sequence)
        if early.is_full:
            last = early.top - (sequence == early.top)
            self.losses.add(Gap(MISSING, None, self._next, last, self._epoch))
            self._early, self._next = None, early.top + 1
        return True

    def _miss(self, sequence: int) -> None:
        """All before this number has come, or is missing."""
        first = max(self._next, self._told)
        wants_all = b"" in (self.wants if self.back is None else self.back.covered)
        wants_all = wants_all and self._former is None
        if first < sequence and (wants_all or self._is_open):
            reason = RECONNECTED if self._is_open else MISSING
            count = sequence - first if wants_all else None
            self.losses.add(Gap(reason, count, first, sequence - 1, self._epoch))

    def _made(self, frames: Frames, message: Message) -> Message | None:
        """A message if it is wanted, with what is missing before it."""
        if not frames[0].startswith(self.wants.together):
            self.unwanted += 1
            return None
        message._wire = frames
        gap = self.losses.told()
        return message if gap is None else message.after(gap)

    def _take_marker(self, frames: Frames) -> None:
        """Take what the publisher says of what is missing, if it can be understood."""
        self._is_last = begins_last(frames, self._is_last)
        marker = marker_of(frames)
        if marker is None:
            return
        epoch, first, last, reason = marker.epoch, marker.first, marker.last, marker.reason
        if self._seen is None or epoch != self._seen[0]:
            return
        if reason == RESTARTED:
            # Otherwise the handshake has told of the restart already.
            if self.back is not None and not self.back.is_again:
                self.losses.add(Gap(RESTARTED, epoch=epoch))
            return
        if self._numbered and self._epoch == epoch and self._early is None and self._former is None:
            self._miss(first)  # no marker tells of what is missing before that one
        self._told = max(self._told, last + 1)
        is_known = reason != EXPIRED or marker.count > 0
        self.losses.add(Gap(reason, marker.count if is_known else None, first, last, epoch))
