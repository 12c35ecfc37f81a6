"""What came in any order, above all that is known to have come. Pure.

A line that brings what was missed, one subscription after another, may be lost before it has
brought all. Whoever goes on has to ask from where nothing was missing, and not from the highest
number that came: so some of it comes twice, and is given once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.subscriber.losses import Losses
from fanout.subscriber.message import MISSING, Gap

if TYPE_CHECKING:
    from fanout.subscriber.message import Message

EARLY_MAX = 262_144
"""Keys: some 20 MiB. A publisher takes subscriptions within some milliseconds, in which it sends
far fewer; one that never says that it has taken them is not to fill our memory."""


class Came:
    """Keys of messages that came though older ones may still come. Owned by one thread.

    Attributes:
        top: the highest; None = there are none.
    """

    __slots__ = ("_keys", "top")

    def __init__(self) -> None:
        self._keys: set[Any] = set()
        self.top: Any = None

    def __bool__(self) -> bool:
        return bool(self._keys)

    def __contains__(self, key: Any) -> bool:
        return key in self._keys

    @property
    def is_full(self) -> bool:
        """Whether no more may be added: nobody is to wait for older ones any longer."""
        return len(self._keys) >= EARLY_MAX

    def add(self, key: Any) -> None:
        """This has come."""
        self.top = key if not self._keys else max(self.top, key)
        self._keys.add(key)

    def clear(self) -> None:
        """All up to the highest has come, or is given up."""
        self._keys.clear()
        self.top = None


class Early(Came):
    """Those that were given to the program, and what is to be told with the next one.

    Owned by its `Run`.
    """

    __slots__ = ("_untold",)

    def __init__(self) -> None:
        super().__init__()
        self._untold = Losses()

    def __bool__(self) -> bool:
        return super().__bool__() or self._untold.gap is not None

    def passed(self, key: Any) -> None:
        """All up to this has come."""
        if self._keys and key >= self.top:
            self.clear()

    def give_up(self, before: Any, epoch: int | None) -> Any:
        """Wait for no older ones any more, and have the next message say so.

        Args:
            before: key of the last one of which all older ones have come; None: not known.
            epoch: of the publisher whose numbers the keys are; None: they are none.

        Returns:
            Up to where all counts as come.
        """
        is_known = before is not None and epoch is not None
        first, last = (before + 1, self.top) if is_known else (None, None)
        top = self.top
        self.keep(Gap(MISSING, None, first, last, epoch))
        self.clear()
        return top

    def keep(self, gap: Gap | None) -> None:
        """This was to be told with a message that is not given again."""
        if gap is not None:
            self._untold.add(gap)

    def told(self, message: Message) -> Message:
        """The message that is given next, with what was to be told."""
        if self._untold.gap is None:
            return message
        self.keep(message.gap)
        return message.instead(self._untold.told())
