"""Every limit and default of a publisher, in one place: name, unit, reason.

Times are in seconds, sizes in bytes. The defaults are meant for a port that strangers can reach.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from fanout.basics.cores import usable_cores
from fanout.errors import ConfigError
from fanout.shm.layout import MESSAGE_PART, NAME_BYTES, WORKERS_MAX, Layout
from fanout.shm.value_layout import NO_TABLE, ValueTable
from fanout.terms.last_values import as_last_values
from fanout.terms.option_fields import made_by, number, one_of, optional_size, size, text
from fanout.terms.shares import CONNECTS_LEAST, CONNECTS_MOST, CONNECTS_PER_S, share_of
from fanout.terms.slow_options import as_policy, as_rules, check_limits
from fanout.terms.slow_policy import ACTIONS, SlowPolicy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fanout.terms.last_values import LastValues
    from fanout.terms.slow_policy import Action, SlowRule

KIB = 1024
MIB = 1024 * KIB

LOG_BYTES_MIN = 64 * KIB  # a quarter of it (the largest message) still holds a small JSON document
REPLAY_PART = 2  # of the log: 3/4 of it are behind the newest message at any time
LOG_BYTES_MAX = 64 * 1024 * MIB  # far above any machine this was tried on; catches a wrong unit


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of a publisher; every one has a default.

    Sizes (what ends in `_bytes`) may be given as text as well: "64M", "1 GiB".

    Raises:
        ConfigError: a value is out of its range; the text names the option, value and range.
    """

    name: str = text("", NAME_BYTES)
    """What this publisher is called in its shared memory, for tools that read it; up to 64 bytes of
    UTF-8, printable characters only."""

    workers: int = number(0, 0, WORKERS_MAX)
    """Worker processes, 1 to 256; 0 = one for each core this process may run on, but no more than
    the CPU quota of its container (cgroup) allows to be busy."""

    rebalance: bool = one_of(True, (True, False))
    """Whether subscribers are moved between workers, so that all workers do about as much."""

    worker_nice: int = number(0, 0, 19)
    """Added to the publisher's own niceness for each worker, 0 to 19. On cores that are all busy, a
    `publish()` is then interrupted less by the workers, which deliver when it has had its turn."""

    log_bytes: int = size(64 * MIB, LOG_BYTES_MIN, LOG_BYTES_MAX)
    """Size of the log in shared memory; allocated at start. A message may take a quarter of it."""

    slow_policy: Action | SlowPolicy = made_by(as_policy, "drop_oldest", ACTIONS)  # noqa: RUF009
    """What happens to a subscriber that is behind, if nothing else is chosen for it: a
    `SlowPolicy`, or its action alone."""

    slow_limit_bytes: int = size(0, 0, LOG_BYTES_MAX)
    """Beside an action alone: how far a subscriber may be behind, in bytes; 0 = half of
    `log_bytes`. With "block" it means nothing."""

    slow_rules: Sequence[SlowRule] = made_by(as_rules, ())
    """Other policies for those that a `SlowRule` fits: the first one that does counts."""

    self_service: bool = one_of(True, (True, False))
    """Whether a subscriber may choose a policy for itself, and a name, by reserved subscriptions.
    They match no message in either case."""

    self_service_max: Action | SlowPolicy = made_by(as_policy, "drop_oldest", ACTIONS)  # noqa: RUF009
    """Up to what: a limit or a rate that it chooses is cut to the one here, 0 = no bound. Only with
    the action "block" may it choose that: `publish()` waits for it then, and here anybody may
    connect. Other actions say nothing here."""

    sequence_frame: bool = one_of(False, (True, False))
    """Append to each message a frame of 16 bytes, by which any subscriber can see what it misses:
    the epoch of this publisher and the sequence of the message, each a big-endian u64."""

    replay_bytes: int | None = optional_size(None, 0, LOG_BYTES_MAX)
    """How much of the log a subscriber can have of what it has missed, if it asks for that by
    `since`, a reserved subscription: so much is always there, and `publish()` never waits for it.
    At most half of `log_bytes`, for which None stands; 0 = nothing."""

    last_values: LastValues | None = made_by(as_last_values, None)  # noqa: RUF009
    """Keep the last message of each topic for who subscribes later; None = of none. See
    `LastValues`: which topics, how many, how many bytes, for how long."""

    send_timeout: float = number(5.0, 0.001, 86_400)
    """A subscriber that takes nothing for so long is evicted if it is in the way: about to lose
    messages, or under "block" over a limit or half of the log behind. After half of it it is
    reported as stalled. 5 s outlasts a Wi-Fi roam, and bounds what `publish()` waits for one that
    is dead."""

    stall_timeout: float = number(30.0, 0.001, 86_400)
    """A subscriber that takes nothing for so long is evicted even if the log holds all it wants.
    30 s outlasts a long garbage collection; TCP gives up then too: see `tcp_user_timeout`."""

    handshake_timeout: float = number(10.0, 0.001, 86_400)
    """From accept to READY. libzmq has 30 s; a third of that still serves a satellite link."""

    heartbeat_interval: float = number(10.0, 0, 86_400)
    """A PING each so many seconds to who announces ZMTP 3.1 or has sent one; 0 = none. Below the
    15 s after which azmq gives up an idle publisher."""

    heartbeat_timeout: float = number(30.0, 0.001, 86_400)
    """A subscriber that has answered a PING before and leaves one unanswered for so long is
    evicted."""

    tcp_user_timeout: float = number(30.0, 0.001, 86_400)
    """TCP_USER_TIMEOUT: unacknowledged data for so long means that the host is gone."""

    drain_timeout: float = number(5.0, 0, 86_400)
    """What `close()` and the `with` block allow for delivering what is queued."""

    worker_timeout: float = number(10.0, 0.5, 86_400)
    """A worker without a sign of life for so long is hung: it is killed and replaced."""

    start_timeout: float = number(30.0, 0.1, 86_400)
    """All workers must be ready within this, and later each replacement. A worker takes 0.1 s on an
    idle machine."""

    max_subscribers: int = number(16_384, 1, 1_000_000)
    """Connections at once; 1,472 bytes of shared memory each. Further ones are refused, counted."""

    max_half_open: int = number(4_096, 1, 1_000_000)
    """Connections that have not finished the handshake; the next one is refused, counted. As long
    as the listen queue, so that a storm of reconnects fits."""

    max_subscribers_per_address: int = number(0, 0, 1_000_000)
    """Connections at once from one IPv4 address or IPv6 network of 64 bits; 0 = half of
    `max_subscribers`, or four: no single host takes all places, and who comes through one NAT or
    proxy has room. Further ones are refused, counted. Loopback and `ipc://` are not limited."""

    max_half_open_per_address: int = number(0, 0, 1_000_000)
    """The same for connections that have not finished the handshake; 0 = half of
    `max_half_open`, or four."""

    max_connects_per_address: float = number(CONNECTS_PER_S, CONNECTS_LEAST, CONNECTS_MOST)
    """New connections a second from one address, beyond a burst: all that may stay can come back at
    once, and once more (1,000 at least). Further ones are refused, counted."""

    max_subscriptions: int = number(100_000, 1, 1_000_000)
    """Distinct subscriptions for each connection; one more closes it. So many, of 40 bytes,
    take some 18 MB of this process, which `max_interest_bytes` bounds for all together. At its end
    they are taken out a few at a time, so that nobody waits."""

    max_subscription_bytes: int = size(4_096, 1, 64 * KIB)
    """Length of one subscription; a longer one closes the connection."""

    max_subscriptions_bytes: int = size(4 * MIB, 1, 1024 * MIB)
    """All subscriptions of a connection together: 100,000 topics of 40 bytes. They are kept twice,
    in its worker and in this process."""

    max_interest_bytes: int = size(256 * MIB, 64 * KIB, 64 * 1024 * MIB)
    """What all subscriptions of all connections may take of the memory of this process: about 90
    bytes each and their length, and 50 for each different one. Beyond it, the
    largest connection of the address that has most is closed.
    Enough for 16,384 subscribers with 100 topics each, or 1.5 million topics of one each."""

    max_inbound_bytes: int = size(64 * KIB, 256, 64 * MIB)
    """Size of one inbound frame: a command or subscription above it closes the connection; a user's
    message, which nobody reads here, is skipped. 64 KiB is ample."""

    max_topics: int = number(65_536, 16, 16_777_216)
    """Topics interned at once (about 300 bytes each); a colder one is matched by its bytes."""

    kernel_queue_bytes: int = size(256 * KIB, 4 * KIB, 1024 * MIB)
    """SO_SNDBUF: what the kernel may hold of each subscriber's stream, so that it does not hide the
    queue (Linux doubles it for its own overhead). A fixed buffer is not tuned to the link: at a
    round trip of 100 ms a subscriber gets about 5 MB/s. Raise it for fast subscribers far away."""

    backlog: int = number(4_096, 1, 65_535)
    """Length of the listen queue: a storm of reconnects must fit (the kernel caps it)."""

    allow_zmtp_1: bool = one_of(False, (True, False))
    """Serve ZMTP 1.0 peers (libzmq 2.x), which take everything and cannot subscribe. Off: on an
    open port any byte stream, an HTTP request for one, would look like such a peer."""

    require_security: bool = one_of(False, (True, False))
    """Refuse endpoints on which nobody says who he is, those of `ingest()` and `answer()` too."""

    if not TYPE_CHECKING:  # type checkers know what there is

        def __new__(cls, *_arguments: object, **keywords: object) -> Options:
            _refuse_unknown(keywords)
            return super().__new__(cls)

    def __post_init__(self) -> None:
        for option in fields(self):
            value = getattr(self, option.name)
            if isinstance(value, str) and "read" in option.metadata:
                size = option.metadata["read"](value)
                if size is not None:
                    value = size
                    object.__setattr__(self, option.name, value)
            option.metadata["check"](option, value)
        for name in ("slow_policy", "self_service_max"):  # from its plain form, as workers get it
            if not isinstance(getattr(self, name), str):
                object.__setattr__(self, name, as_policy(name, getattr(self, name)))
        object.__setattr__(self, "last_values", self.kept_values)
        object.__setattr__(self, "slow_rules", as_rules("slow_rules", self.slow_rules))
        self._check_limits()

    def _check_limits(self) -> None:
        if self.slow_limit_bytes > self.log_bytes // 2:
            raise ConfigError(
                f"slow_limit_bytes={self.slow_limit_bytes:,} is more than half of "
                f"log_bytes={self.log_bytes:,}: raise log_bytes or lower the limit"
            )
        if self.replay_limit > self.log_bytes // REPLAY_PART:
            raise ConfigError(
                f"replay_bytes={self.replay_limit:,} is more than half of "
                f"log_bytes={self.log_bytes:,}: raise log_bytes or lower it"
            )
        if self.slow_limit_bytes and isinstance(self.slow_policy, SlowPolicy):
            raise ConfigError(
                "slow_limit_bytes goes with an action alone: in a SlowPolicy it is limit_bytes"
            )
        log = self.log_bytes, self.log_entries
        check_limits("slow_policy", self.policy, *log)
        check_limits("self_service_max", self.self_service_bound, *log)
        for index, rule in enumerate(self.slow_rules):
            check_limits(f"slow_rules[{index}]", rule.policy, *log)

    @property
    def log_entries(self) -> int:
        """How many messages the log holds at most, however small they are."""
        return Layout.for_options(self.log_bytes, 1).entries

    @property
    def policy(self) -> SlowPolicy:
        """What happens to a subscriber for which nothing else is chosen."""
        if isinstance(self.slow_policy, SlowPolicy):
            return self.slow_policy
        limit = 0 if self.slow_policy == "block" else self.slow_limit_bytes
        return SlowPolicy(self.slow_policy, limit)

    @property
    def self_service_bound(self) -> SlowPolicy:
        """Up to what a subscriber may choose for itself."""
        return as_policy("self_service_max", self.self_service_max)

    @property
    def kept_values(self) -> LastValues | None:
        """Which last values are kept."""
        return as_last_values("last_values", self.last_values)

    @property
    def value_topics(self) -> tuple[bytes, ...]:
        """Prefixes of the topics whose last values are kept."""
        kept = self.kept_values
        return () if kept is None else kept.topics

    @property
    def value_table(self) -> ValueTable:
        """What they take of the shared memory."""
        kept = self.kept_values
        return NO_TABLE if kept is None else ValueTable.of(kept.max_topics, kept.max_bytes)

    @property
    def value_age(self) -> float:
        """Seconds for which a message is a last value; 0 = for ever."""
        kept = self.kept_values
        return 0.0 if kept is None else kept.max_age

    @property
    def worker_count(self) -> int:
        """Worker processes to start, 1 to 256."""
        return self.workers or min(usable_cores(_allowed_cores(), _read), WORKERS_MAX)

    @property
    def address_subscribers(self) -> int:
        """Connections at once from one address."""
        return self.max_subscribers_per_address or share_of(self.max_subscribers)

    @property
    def address_half_open(self) -> int:
        """Connections at once from one address that are in their handshake."""
        return self.max_half_open_per_address or share_of(self.max_half_open)

    @property
    def lag_limit_bytes(self) -> int:
        """How far a subscriber may be behind, in bytes of log."""
        return self.policy.limit_bytes or self.log_bytes // 2

    @property
    def replay_limit(self) -> int:
        """Bytes of log that a subscriber can have of what it has missed."""
        if self.replay_bytes is None:
            return self.log_bytes // REPLAY_PART
        return self.replay_bytes

    @property
    def max_message_bytes(self) -> int:
        """Largest message, in bytes on the wire."""
        return self.log_bytes // MESSAGE_PART


def _allowed_cores() -> int:
    """Cores that this process may run on; all, if the system does not say."""
    try:
        return len(os.sched_getaffinity(0))
    except OSError:
        return os.cpu_count() or 1


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def choices_of(name: str) -> tuple[Any, ...]:
    """What an option may be that is one of a few values."""
    choices: tuple[Any, ...] = Options.__dataclass_fields__[name].metadata["choices"]
    return choices


def _refuse_unknown(keywords: Iterable[str]) -> None:
    for name in keywords:
        if name not in Options.__dataclass_fields__:
            from fanout.terms.refusals import unknown_keyword  # workers have no use for it

            raise TypeError(unknown_keyword(name, Options.__dataclass_fields__))


def make_options(keywords: Mapping[str, Any], base: Options | None = None) -> Options:
    """The options of these keyword arguments.

    Args:
        base: what those are that are not among the keywords; None = the defaults.

    Raises:
        TypeError: there is no such option; the text names it, and what may have been meant. Or
            `base` are no options.
        ConfigError: as `Options`.
    """
    if base is not None and not isinstance(base, Options):
        raise TypeError(f"options must be fanout.Options, not {type(base).__name__}")
    _refuse_unknown(keywords)
    return Options(**keywords) if base is None else replace(base, **keywords)
