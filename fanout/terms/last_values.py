"""What a publisher keeps of what it has published, as users say it. Pure data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.errors import ConfigError
from fanout.terms.arguments import as_topic, is_one_frame, read_size, refuse_unknown_fields, shown

if TYPE_CHECKING:
    from fanout.terms.arguments import TopicLike

MIB = 1 << 20
BYTES_MIN, BYTES_MAX = 64 * 1024, 64 * 1024 * MIB
SECONDS_MAX = 86_400.0 * 7  # a week; catches a wrong unit
TOPICS_MAX = 262_144  # to put them in their order takes some 20 ms at once
PREFIXES_MAX = 64  # each is looked at for each new topic


@refuse_unknown_fields
@dataclass(frozen=True)
class LastValues:
    """Of which topics the last message is kept, for who subscribes later.

    Args:
        topics: those that begin with this, or with one of these; b"" = all.
        max_topics: of so many topics, 1 to 262,144. Of one more that which was published longest
            ago, about, has none any more. 24 bytes of shared memory each, and some 300 of this
            process.
        max_bytes: bytes of messages that are not in the log any more, each with some 28 bytes
            beside them; allocated at the start, and a third more. A size such as "64M" may be
            given as text.
        max_age: seconds after which a message counts no more; 0 = it counts for ever.

    Raises:
        ConfigError: a value is out of its range.
    """

    topics: tuple[bytes, ...] = (b"",)
    max_topics: int = 65_536
    max_bytes: int = 16 * MIB
    max_age: float = 0.0

    if TYPE_CHECKING:  # what it may be made of; it has them as above

        def __init__(
            self,
            topics: TopicLike | Iterable[TopicLike] = ...,
            max_topics: int = ...,
            max_bytes: int | str = ...,
            max_age: float = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        given: dict[str, object] = dict(vars(self))
        object.__setattr__(self, "topics", _prefixes(given["topics"]))
        size = given["max_bytes"]
        if isinstance(size, str):
            size = read_size(size) or size
            object.__setattr__(self, "max_bytes", size)
        _whole("max_topics", self.max_topics, 1, TOPICS_MAX)
        _whole("max_bytes", size, BYTES_MIN, BYTES_MAX)
        age = given["max_age"]
        if isinstance(age, bool) or not isinstance(age, int | float) or not 0 <= age <= SECONDS_MAX:
            raise ConfigError(
                f"LastValues(max_age=…) must be seconds, 0 to {SECONDS_MAX:,.0f}, not {shown(age)}"
            )


def as_last_values(name: str, value: object) -> LastValues | None:
    """What an argument says: a `LastValues`, its plain form (a dict of its fields), or None.

    Raises:
        ConfigError: it is none; the text names the argument.
    """
    if value is None or isinstance(value, LastValues):
        return value
    if isinstance(value, Mapping):
        try:
            return LastValues(**value)
        except TypeError as error:
            raise ConfigError(f"{name} is no LastValues: {error}") from None
    raise ConfigError(
        f"{name} must be a LastValues, a dict of its fields, or None, not {shown(value)}"
    )


def _whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"LastValues({name}=…) must be a whole number, not {shown(value)}")
    if not low <= value <= high:
        raise ConfigError(f"LastValues({name}={shown(value)}) is out of range {low:,} to {high:,}")


def _prefixes(value: object) -> tuple[bytes, ...]:
    if not is_one_frame(value) and isinstance(value, Iterable):
        prefixes = tuple(as_topic(one, "LastValues(topics=…)") for one in value)
    else:
        prefixes = (as_topic(value, "LastValues(topics=…)"),)
    if not 1 <= len(prefixes) <= PREFIXES_MAX:
        raise ConfigError(
            f"LastValues(topics=…) has {len(prefixes):,} prefixes, 1 to {PREFIXES_MAX} are allowed"
        )
    return prefixes
