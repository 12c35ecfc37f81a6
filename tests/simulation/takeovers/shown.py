"""Last values: a publisher that keeps them, and subscribers that are sent them, and check that.

Such a subscriber subscribes once, to one prefix. It gets the last message of each topic as of the
message from which on its change was reported, oldest first, or a newer one in its place among what
comes: none twice, none older after a newer one, and none is missing.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import msgpack

from fanout.send.kept_topics import KeptTopics
from fanout.shm.kept_values import KeptValues
from fanout.shm.value_layout import ValueTable
from fanout.shm.valued_log import ValuedLog
from fanout.terms.reserved import SNAPSHOT_TOPIC
from fanout.workers.tuning import ShowTuning
from fanout.zmtp.frames import encode_message
from tests.simulation.saying import Statement
from tests.simulation.takeovers.published import NUMBER_BYTES, TOPICS, Publisher
from tests.simulation.takeovers.subscriber import Subscriber
from tests.simulation.violated import require

if TYPE_CHECKING:
    from collections.abc import Collection

    from fanout.shm.log import LogWriter
    from fanout.shm.segment import Segment

TABLE = ValueTable.of(2 * len(TOPICS), 512 * 1024)  # nothing is evicted
_MARK_BEGINS = encode_message((SNAPSHOT_TOPIC, b""))[1 : len(SNAPSHOT_TOPIC) + 2]


class ValuedPublisher(Publisher):
    """Keeps the last message of each topic."""

    _writer: ValuedLog

    def _log(self, segment: Segment) -> LogWriter:
        return ValuedLog(segment)

    def _topics(self, _limit: int) -> Any:
        return KeptTopics(1_000, self._writer.values, (b"",))

    def _id_of(self, topic: bytes) -> int:
        return int(self._table.intern(topic).id)

    def _hurry(self) -> bool:
        return self._writer.values.hurry(self._writer.head)


class ShownSubscriber(Subscriber):
    """Gets last values.

    Args:
        prefix: that it subscribes to.
        is_told: whether it wants to know where they begin and end.
        in_parts: whether they are listed in parts, which are not in the order of publication.

    Attributes:
        from_snapshot: how many it has got.
    """

    def __init__(
        self, *who: Any, prefix: bytes, is_told: bool, in_parts: bool, **more: Any
    ) -> None:
        super().__init__(*who, **more)
        self._publisher = who[2].publisher
        self._in_parts = in_parts
        self.due = -1  # the message from which on it wants what comes; -1 = nobody has said yet
        self._is_told = is_told and not self.legacy
        self._marks: list[dict[str, Any]] = []
        self._values: dict[bytes, int] = {}
        self._last_value = -1
        self.goes_back = True
        if self._is_told:
            self._say(Statement(wanted=True, text=b"snapshot"))
        self._prefixes = [prefix]
        if not self.legacy:
            self._subscribe(prefix)

    def talk(self) -> None:
        """It says nothing that changes what it is sent."""
        if not (self.legacy or self.is_half_closed):
            self.ping()

    def reported(self, since: int, added: Collection[bytes], cancelled: Collection[bytes]) -> None:
        super().reported(since, added, cancelled)
        require(self.due < 0, "it has subscribed once, and that was reported twice")
        self.due = since
        begins = (*added,)
        for number, message in enumerate(self._messages[:since]):
            if message.topic.startswith(begins):
                self._values[message.topic] = number

    def lacks(self, head: int) -> str:
        missing = super().lacks(head)
        if missing or self._lacks_end:
            return missing or "the end of its last values"
        newest = {message.topic: number for number, message in enumerate(self._messages[:head])}
        left = {topic for topic, number in self._values.items() if newest[topic] == number}
        return f"the last values of {left}" if left else ""

    @property
    def _lacks_end(self) -> bool:
        return self._is_told and len(self._marks) < 2

    def _take_message(self, data: bytes, body: int) -> None:
        if not self.legacy and data[1:].startswith(_MARK_BEGINS):
            self._take_mark(msgpack.unpackb(data[body:]))
            return
        number = int.from_bytes(data[body : body + NUMBER_BYTES], "big")
        if number >= self.due:
            if not self._last:
                require(not self._lacks_end, f"{number} comes before the end of its last values")
            self._require_replaced()
            super()._take_message(data, body)
            return
        require(number < len(self._messages), f"{data[:60]!r} was never published")
        message = self._messages[number]
        wire = message.legacy_wire if self.legacy else message.wire
        require(data == wire, f"{data[:60]!r}... is not message {number}: {wire[:60]!r}...")
        require(self._last < 0, f"last value {number} comes after message {self._last}")
        in_order = number > self._last_value or self._in_parts
        # In place of one that was listed and then taken back, the one before it comes.
        is_right = in_order or self._publisher.interruptions > 0
        require(is_right, f"last value {number} after {self._last_value}")
        require(not self._is_told or len(self._marks) == 1, f"{number} is not between its marks")
        due = self._values.pop(message.topic, -1)
        require(number == due, f"{number} is not the last value of {message.topic!r}: {due}")
        self._last_value = number
        self.from_snapshot += 1
        self.got += 1

    def _require_replaced(self) -> None:
        """Of what it was not sent something newer comes."""
        if self._last < 0:
            newer = {message.topic for message in self._messages[self.due :]}
            left = self._values.keys() - newer
            require(not left, f"what comes begins, and it has no last values of {left}")

    def _take_mark(self, mark: dict[str, Any]) -> None:
        self._marks.append(mark)
        is_end = len(self._marks) == 2
        require(self._is_told and len(self._marks) <= 2, f"a mark too many: {mark}")
        # What it does not want does not wait for it.
        is_same = mark["at"] > self.due and not self.wanted_between(self.due, mark["at"])
        at = mark["at"] if is_same else self.due
        want: dict[str, Any] = {
            "at": at,
            "count": self.from_snapshot,
            "evicted": 0,
            "subscriptions": 1,
        }
        want |= {"prefixes": self._prefixes, "end": is_end}
        require({**mark, "epoch": 0} == {"epoch": 0, **want}, f"{mark}, and it is {want}")


def shown_at_once(seed: int) -> ShowTuning:
    """A worker finds and sends so few of them at once that it dies in the middle."""
    rng = Random(f"shown {seed}")
    return ShowTuning(
        values_per_send=rng.choice((1, 3, 400)),
        values_per_look=rng.choice((1, 2_000)),
        listed_max=rng.choice((-1, 1_000)),  # below 0 all are listed in parts
        list_part=rng.choice((1, 3)),
        names_per_look=rng.choice((1, 2, 4_096)),
        small_part=rng.choice((1, 1, 1_024)),
    )


def kept_values(segment: Segment) -> KeptValues | None:
    """What a worker is handed."""
    return KeptValues(segment) if segment.layout.table.places else None
