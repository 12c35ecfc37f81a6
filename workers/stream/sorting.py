"""Sorting: a batch of new messages into the picks of those who want them. Pure.

This is the inner loop for subscribers with watchlists. What a message costs that nobody wants is a
look-up of its topic id; what it costs for each prefix that it begins with, and for each cohort with
picks of its own that wants it, is one append of a reference.
"""

from __future__ import annotations

from itertools import chain, compress, count
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias, cast

from fanout.workers.stream.turn_part import TurnPart, without_clock
from fanout.workers.stream.wanted import apart, filled_by
from fanout.workers.tuning import TUNING, Tuning
from fanout.zmtp.frames import first_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fanout.shm.reader import LogReader
    from fanout.workers.stream.cohort import Append, Cohort, Prefix
    from fanout.workers.stream.cohorts import Cohorts
    from fanout.workers.stream.member import Member
    from fanout.zmtp.encoding import Encoding

    # Messages as they are in the log, as they are sent, and the latter joined.
    Load: TypeAlias = tuple[list[bytes], list[bytes], bytes]
    Share: TypeAlias = tuple[Sequence[Cohort[Member]], tuple[Prefix[Member], ...], Encoding | None]
    Sharers: TypeAlias = dict[
        tuple[tuple[Prefix[Member], ...], Encoding | None], list[Cohort[Member]]
    ]

SPARSE_PART = 4  # when less than 1/4 of the messages are wanted, only those are cut out
FEW_PIECES = 2  # up to so many messages are cut out alone, whatever their part is
FIRST_LOOKED_AT = 64  # messages of which it is looked whether anybody wants them; mostly some are
MATCHES_PER_LOOK = 32  # at the clock; each takes some microseconds
LOOKS_PER_APPEND = 16  # look-ups that cost as much as to find whose picks an append fills
LOOKS_PER_MATCH = 64  # the same for a match of one message; each append of it costs one more

_filled_by = attrgetter("__self__")  # an append: the list that it appends to


class Sorting:
    """Sorts one batch after another.

    Its mutable state: the batch at hand, to find the sequence of a piece when a socket is full.

    Args:
        log: where the messages are.
        cohorts: whose picks are filled, and those of their prefixes.

    Attributes:
        prefixes: of those that somebody counts by, the ones that the batch has picks for.
        direct: of the cohorts with picks of their own, the ones that it has any for.
    """

    def __init__(
        self,
        log: LogReader,
        cohorts: Cohorts[Member],
        part: TurnPart | None = None,
        tuning: Tuning = TUNING,
    ) -> None:
        self._log = log
        self._cohorts = cohorts
        self._part = part or without_clock()
        self._sort_ns = tuning.sort_ns
        self._appends_per_look = tuning.appends_per_look
        self._looked_at_max = tuning.batch_messages_min  # at once, without a look at the clock
        self.prefixes: list[Prefix[Member]] = []
        self.direct: list[Cohort[Member]] = []
        self._until = 0  # for sorting the batch at hand
        self._first = 0
        self._wanted: Sequence[int] = ()  # indexes of the messages that were cut out
        self._pieces: list[bytes] = []
        self._found: list[tuple[Append, ...]] = []  # for each of these pieces, where it went
        self._appends = 0  # of all of these together
        self._places: dict[int, int] = {}  # id(piece) -> its place among them, once asked for
        # Of each that is not cleared yet, when the round was interrupted; they change from then on.
        self._held: dict[Prefix[Member] | Cohort[Member], int] = {}

    def sort(self, first: int, stop: int) -> int:
        """Fill `picks` from messages `first` up to, not including, `stop`; `count()` comes next.

        Returns:
            Where the batch ends: before `stop` if the time is over, but not before one message.
        """
        self._until = self._part.in_time(self._sort_ns)
        found = self._find(first, stop)
        stop = first + len(found)
        wanted: Sequence[int] = range(stop - first)
        hits = list(filter(None, found))
        if len(hits) <= FEW_PIECES or len(hits) * SPARSE_PART < len(found):
            wanted = list(compress(wanted, found))
            pieces = [self._log.piece(first + index) for index in wanted]
            found = hits
        else:
            pieces = self._log.pieces(first, stop)
        sorted_ = self._fill(pieces, found)
        if sorted_ < len(pieces):
            stop = first + wanted[sorted_]
            wanted, pieces, found = wanted[:sorted_], pieces[:sorted_], found[:sorted_]
        self._found = found
        self._first, self._wanted, self._pieces = first, wanted, pieces
        self._places = {}
        return stop

    def wanted_from(self, first: int, stop: int) -> int:
        """The first of these messages that anybody wants, or `stop`; not while a batch is at hand.

        Before that one if the time is over: then what is below is known to be wanted by nobody.
        """
        until = self._until = self._part.in_time(self._sort_ns)
        size = min(FIRST_LOOKED_AT, self._looked_at_max)
        while first < stop:
            found = self._find(first, min(first + size, stop))
            for wanted in compress(count(first), found):
                return wanted
            first += len(found)
            if self._part.is_past(until):
                break
            size = min(size * 2, self._looked_at_max)
        return first

    def _fill(self, pieces: list[bytes], found: list[tuple[Append, ...]]) -> int:
        """Put the pieces where they go; returns how many were, before the time was over."""
        self._appends = appends_in_all = sum(map(len, found))
        if appends_in_all <= self._appends_per_look:
            _put(pieces, found)
            return len(pieces)
        each = max(1, len(pieces) * self._appends_per_look // appends_in_all)
        for start in range(0, len(pieces), each):
            if start and self._part.is_past(self._until):
                return start
            _put(pieces[start : start + each], found[start : start + each])
        return len(pieces)

    def count(self) -> int:
        """Find out who has any picks, and count them; returns how many members they matched."""
        if not self._appends:
            return 0
        prefixes, direct = self._candidates()
        matched = 0
        for prefix in prefixes:
            if prefix.picks:
                self.prefixes.append(prefix)
                matched += prefix.count()
        found = self.direct
        for cohort in direct:
            picks = cohort.picks
            if picks:
                found.append(cohort)
                messages = len(picks)
                cohort.counted += messages
                matched += messages * cohort.members
        return matched

    def hold(self) -> None:
        """It takes more than a turn to send the picks: they are for those who are members now."""
        left: list[Prefix[Member] | Cohort[Member]] = [*self.prefixes, *self.direct]
        self._held = {one: one.members for one in left if one.picks}

    def matched_bytes(self) -> int:
        """Bytes of what is held, for each member that it matched."""
        left = [one for one in self._held if one.picks]
        return sum([(one.size or one.measure()) * self._held[one] for one in left])

    def shares(self) -> list[Share]:
        """The cohorts that are sent what their prefixes have, those together that get the same.

        Beside these, each cohort of `direct` is sent its own picks.

        Returns:
            Those without an encoding come first.
        """
        first: dict[Cohort[Member], Prefix[Member]] = {}
        several: dict[Cohort[Member], tuple[Prefix[Member], ...]] = {}
        for prefix in self.prefixes:
            for cohort in prefix.ready:
                if cohort not in first:
                    first[cohort] = prefix
                elif cohort in several:
                    several[cohort] = (*several[cohort], prefix)
                else:
                    several[cohort] = (first[cohort], prefix)
        shares: list[Share] = []
        encoded: Sharers = {}
        for prefix in self.prefixes:
            alone: list[Cohort[Member]] = []
            for cohort in prefix.ready:
                if cohort in several:
                    continue
                if cohort.encoding is None:
                    alone.append(cohort)
                else:
                    encoded.setdefault(((prefix,), cohort.encoding), []).append(cohort)
            if alone:
                shares.append((alone, (prefix,), None))
        merged: Sharers = {}
        for cohort, prefixes in several.items():
            sharers = merged if cohort.encoding is None else encoded
            sharers.setdefault((prefixes, cohort.encoding), []).append(cohort)
        for sharers in merged, encoded:
            shares += [(cohorts, *what) for what, cohorts in sharers.items()]
        return shares

    def joined(self, picks: list[bytes], encoding: Encoding | None) -> Load:
        """What is sent of these messages to who has this encoding."""
        pieces = picks
        if encoding is not None:
            pieces = list(map(encoding.encode, picks, map(self.sequence_of, picks)))
        return picks, pieces, b"".join(pieces) if len(pieces) > 1 else pieces[0]

    def merged(self, prefixes: Sequence[Prefix[Member]]) -> list[bytes]:
        """What these prefixes have, in the order of the log."""
        if len(prefixes) == 1:
            return prefixes[0].picks
        pieces, places = self._pieces, self._index()
        picks = chain.from_iterable([prefix.picks for prefix in prefixes])
        found = sorted(map(places.__getitem__, map(id, picks)))
        return list(map(pieces.__getitem__, found))

    def clear(self, now: int) -> int:
        """All picks are sent: those that are not empty yet are now, and their bytes are counted.

        Whoever has joined them says how large they are (`size`): what is sent costs nothing more.

        Args:
            now: monotonic ns.

        Returns:
            Their bytes, for each member that they matched.
        """
        matched = 0
        held = self._held
        for prefix in self.prefixes:
            size = prefix.size or prefix.measure()
            prefix.total_bytes += size
            matched += size * (held[prefix] if held else prefix.members)
            prefix.size = 0
            prefix.picks.clear()
        for cohort in self.direct:
            picks = cohort.picks
            if not picks:
                continue
            size = cohort.size or cohort.measure()
            cohort.counted_bytes += size
            matched += size * (held[cohort] if held else cohort.members)
            cohort.size = 0
            if not cohort.ready and cohort.members:
                messages = len(picks)
                picks.clear()
                self._cohorts.picked_for_nobody(cohort, messages, now)
            picks.clear()
        self.prefixes, self.direct, self._held = [], [], {}
        return matched

    def sequence_of(self, piece: bytes) -> int:
        """The sequence of this very piece; one with the same bytes is another message."""
        return self._first + self._wanted[self._index()[id(piece)]]

    def _index(self) -> dict[int, int]:
        if not self._places:
            pieces = self._pieces
            self._places = dict(zip(map(id, pieces), range(len(pieces)), strict=True))
        return self._places

    def _candidates(self) -> tuple[Iterable[Prefix[Member]], Iterable[Cohort[Member]]]:
        """Who may have picks."""
        prefixes, direct = self._cohorts.counting, self._cohorts.direct
        found, self._found = self._found, []
        by_append = self._appends * LOOKS_PER_APPEND
        by_topic = self._appends + len(found) * LOOKS_PER_MATCH
        if min(by_append, by_topic) >= len(prefixes) + len(direct):
            return prefixes, direct
        if by_topic < by_append:
            matching = self._cohorts.prefixes_of
            topics = dict.fromkeys(map(first_frame, self._pieces))
            return filled_by([place for topic in topics for place in matching(topic)])
        picks = map(id, map(_filled_by, chain.from_iterable(found)))
        owners = dict.fromkeys(map(self._cohorts.owners.__getitem__, picks))
        return apart(owners) if prefixes else ((), cast("dict[Cohort[Member], None]", owners))

    def _find(self, first: int, stop: int) -> list[tuple[Append, ...]]:
        """For each message, where it goes; for fewer if the time is over, but for one at least."""
        ids = self._log.topic_ids(first, stop)
        try:
            return list(map(self._cohorts.known_ids.__getitem__, ids))
        except KeyError:
            return self._match(first, ids)

    def _match(self, first: int, ids: list[int]) -> list[tuple[Append, ...]]:
        """The same, if some of these topic ids are not known."""
        known = self._cohorts.known_ids
        distinct = set(ids)
        missing = distinct - known.keys()
        if missing and self._cohorts.make_room(len(missing)):
            missing = distinct
        missing.discard(0)
        found: list[tuple[Append, ...]] = []
        matched = 0
        for sequence, topic_id in enumerate(ids, first):
            if topic_id and topic_id not in missing:
                found.append(known[topic_id])
                continue
            matched += 1
            if not matched % MATCHES_PER_LOOK and self._part.is_past(self._until):
                break
            if topic_id:
                missing.remove(topic_id)
                name = self._cohorts.name(topic_id)
                if name is None:
                    name = first_frame(self._log.piece(sequence))
                found.append(self._cohorts.remember(topic_id, name))
            else:
                found.append(self._cohorts.appends(first_frame(self._log.piece(sequence))))
        return found


def _put(pieces: Sequence[bytes], found: Sequence[tuple[Append, ...]]) -> None:
    for piece, appends in zip(pieces, found, strict=True):
        for append in appends:
            append(piece)
