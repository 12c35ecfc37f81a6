"""What a worker has done for all its members together, those that have left too. Pure data.

Kept by the pump and the backlog as they go, with one addition for a batch and cohort rather than
for a member. Like the counters of a member they are exact once everybody is settled.
"""

from __future__ import annotations


class Totals:
    """Sums over all members there ever were; they only grow, but for corrections of `matched`.

    Attributes:
        matched, sent, dropped, conflated: messages, as in `Member`.
        discarded: messages that were queued for a member when it was removed.
        replayed: of `matched`, those that were published before somebody wanted them.
        from_snapshot: of `matched`, those that were last values when somebody came.
        keyframes_lost: topics that somebody who came was sent nothing of: the keyframe was gone.
        matched_bytes, sent_bytes, dropped_bytes, conflated_bytes, discarded_bytes: of these; sent
            are those of messages that were sent in part too. While a round is interrupted, those
            that it matched are not in: see `Rounds.matched_bytes`.
    """

    __slots__ = (
        "conflated",
        "conflated_bytes",
        "discarded",
        "discarded_bytes",
        "dropped",
        "dropped_bytes",
        "from_snapshot",
        "keyframes_lost",
        "matched",
        "matched_bytes",
        "replayed",
        "sent",
        "sent_bytes",
    )

    def __init__(
        self,
        matched: int = 0,
        sent: int = 0,
        sent_bytes: int = 0,
        dropped: int = 0,
        discarded: int = 0,
        dropped_bytes: int = 0,
        conflated: int = 0,
        conflated_bytes: int = 0,
        matched_bytes: int = 0,
        discarded_bytes: int = 0,
        replayed: int = 0,
        from_snapshot: int = 0,
        keyframes_lost: int = 0,
    ) -> None:
        self.matched = matched
        self.sent = sent
        self.sent_bytes = sent_bytes
        self.dropped = dropped
        self.discarded = discarded
        self.dropped_bytes = dropped_bytes
        self.conflated = conflated
        self.conflated_bytes = conflated_bytes
        self.matched_bytes = matched_bytes
        self.discarded_bytes = discarded_bytes
        self.replayed = replayed
        self.from_snapshot = from_snapshot
        self.keyframes_lost = keyframes_lost
