"""What shall happen to subscribers that are behind, as users say it: policies and rules. Pure data.

A policy is judged where the subscriber is served, in `fanout.workers.policy`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeAlias, get_args

from fanout.errors import ConfigError
from fanout.terms.arguments import (
    PORT_MAX,
    as_topic,
    did_you_mean,
    read_size,
    refuse_unknown_fields,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fanout.terms.arguments import TopicLike

Action: TypeAlias = Literal["drop_oldest", "drop_newest", "conflate", "disconnect", "block"]
ACTIONS: tuple[Action, ...] = get_args(Action)

LOG_PART = 2  # nobody is more than 1/2 of the log behind, in bytes or messages: room for what comes
LIMIT_MAX = 1 << 48  # bytes, or messages: above any log; catches a wrong unit
SECONDS_MAX = 86_400.0  # a day, as for every timeout
NAME_PATTERN_MAX = 256  # characters


SIZES = ("limit_bytes", "max_rate")  # that may be given as text


def _number(name: str, value: object, high: float, *, whole: bool = False) -> None:
    kind = "a whole number" if whole else "a number"
    if name in SIZES:
        kind = "a whole number of bytes, or a size such as '64K' or '1 MiB'"
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise ConfigError(f"SlowPolicy({name}=…) must be {kind}, not {shown(value)}")
    if not 0 <= value <= high:
        raise ConfigError(f"SlowPolicy({name}={shown(value)}) is out of range 0 to {high:,}")


def check_action(name: str, action: object, *, instead: str = "") -> None:
    """Refuse what is no action.

    Args:
        name: of what it was given for.
        instead: what it may be as well, with its "or".

    Raises:
        ConfigError: it is none; the text names those that there are.
    """
    if action in ACTIONS:
        return
    choices = ("" if instead else "one of ") + ", ".join(map(repr, ACTIONS)) + instead
    hint = did_you_mean(action, ACTIONS)
    raise ConfigError(f"{name} must be {choices}, not {shown(action)}{hint}")


@refuse_unknown_fields
@dataclass(frozen=True)
class SlowPolicy:
    """What happens to a subscriber that is behind, and from which lag on.

    The limits are judged by what the subscriber itself wants; whichever is reached first counts,
    and 0 is none. Without any the log is the limit: half of its bytes, or of its index.

    Args:
        action: "drop_oldest", it loses its oldest messages and keeps the newest up to the limit;
            "drop_newest", it gets what is queued at the limit and then goes on with the present;
            "conflate", it gets the newest message of each topic; "disconnect", it is closed;
            "block", `publish()` waits for it once it is at a limit, or the log is full. What
            one call brings may be too much, and of an age what comes in a turn of its worker.
        limit_bytes: bytes on the wire that wait for it; a size such as "4M" may be given as text.
        limit_messages: messages that wait for it.
        limit_age: seconds since the oldest of them was published.
        soft: the share of a limit at which it is reported as slow, before anything is lost:
            above 0, up to 1.
        min_interval: seconds between two messages of one topic, with "conflate" only: it gets no
            topic more often, whether it keeps up or not.
        max_rate: bytes a second that it is sent at most, as number or size; 0 = as many as it
            takes. What is above that makes it be behind: with "block", `publish()` goes on for
            everybody no faster than that, once it is at a limit, or the log is full.

    Raises:
        ConfigError: a value is out of its range, or means nothing with this action.
    """

    action: Action = "drop_oldest"
    limit_bytes: int = 0
    limit_messages: int = 0
    limit_age: float = 0.0
    soft: float = 0.5
    min_interval: float = 0.0
    max_rate: int = 0

    if TYPE_CHECKING:  # what it may be made of; it has them as above

        def __init__(
            self,
            action: Action = ...,
            limit_bytes: int | str = ...,
            limit_messages: int = ...,
            limit_age: float = ...,
            soft: float = ...,
            min_interval: float = ...,
            max_rate: int | str = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        for name in SIZES:
            value = getattr(self, name)
            size = read_size(value) if isinstance(value, str) else None
            if size is not None:
                object.__setattr__(self, name, size)
        check_action("SlowPolicy(action=…)", self.action)
        _number("limit_bytes", self.limit_bytes, LIMIT_MAX, whole=True)
        _number("limit_messages", self.limit_messages, LIMIT_MAX, whole=True)
        _number("limit_age", self.limit_age, SECONDS_MAX)
        _number("soft", self.soft, 1.0)
        _number("min_interval", self.min_interval, SECONDS_MAX)
        _number("max_rate", self.max_rate, LIMIT_MAX, whole=True)
        if self.soft == 0:
            raise ConfigError("SlowPolicy(soft=0) would report everybody as slow: 0.01 to 1")
        if self.min_interval and self.action != "conflate":
            raise ConfigError(
                f"SlowPolicy(min_interval={self.min_interval}) needs action='conflate': with "
                f"{self.action!r} no message of a topic stands for its predecessors"
            )

    def __str__(self) -> str:
        """As people read it: the action, and what is not its default."""
        defaults = {one.name: one.default for one in fields(self)}
        values = {name: value for name, value in self.as_dict().items() if name != "action"}
        given = [f"{name}={value:,}" for name, value in values.items() if value != defaults[name]]
        return " ".join([self.action, *given])

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain numbers and texts, for messages; `SlowPolicy(**…)` is equal to it."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


def policy_in(said: Mapping[str, object]) -> SlowPolicy:
    """The policy that a message says by its fields, see `SlowPolicy.as_dict`.

    Raises:
        ConfigError, TypeError: they are none.
    """
    given: dict[str, Any] = dict(said)
    return SlowPolicy(**given)


_BOUND_HOSTS = {"*": "0.0.0.0", "localhost": "127.0.0.1"}  # where `bind()` looks nothing up


def _as_bound(endpoint: str) -> str:
    """The endpoint of a rule as `bind()` returns it.

    Raises:
        ConfigError: it returns none like this, so the rule would fit nobody.
    """
    scheme, _, rest = endpoint.partition("://")
    if not endpoint or (scheme == "ipc" and rest not in ("", "*")):
        return endpoint
    if scheme == "ipc":
        _refuse_endpoint(endpoint, "a path of its own for each *: write that path")
    if scheme not in ("tcp", "tls"):
        _refuse_endpoint(endpoint, "what begins with tcp://, tls:// or ipc://, in small letters")
    host, _, port = rest.rpartition(":")
    is_number = port.isascii() and port.isdecimal() and len(port) <= len(str(PORT_MAX))
    if not (is_number and 0 < int(port) <= PORT_MAX):
        _refuse_endpoint(
            endpoint, f"the real port, 1 to {PORT_MAX}: bind one that you choose, and write that"
        )
    address = _as_address(_BOUND_HOSTS.get(host.lower(), host))
    if address is None:
        _refuse_endpoint(
            endpoint,
            "the address of an interface or a host name, an IPv6 address in brackets: write that",
        )
    return f"{scheme}://{address}:{int(port)}"


def _as_address(host: str) -> str | None:
    """An IP address as sockets say it, which have one way for each; None = it is none."""
    from ipaddress import IPv4Address, IPv6Address  # workers, which load this file, make no rules

    try:
        if not (host.startswith("[") and host.endswith("]")):
            return str(IPv4Address(host))
        address = IPv6Address(host[1:-1])
    except ValueError:
        return None
    mapped = address.ipv4_mapped
    return f"[{address}]" if mapped is None else f"[::ffff:{mapped}]"


def _refuse_endpoint(endpoint: str, returned: str) -> NoReturn:
    raise ConfigError(
        f"SlowRule(endpoint={shown(endpoint)}) would fit nobody, for bind() returns {returned}, "
        "as it stands in publisher.endpoints"
    )


@refuse_unknown_fields
@dataclass(frozen=True)
class SlowRule:
    """Which subscribers get a policy: all whose every given property fits.

    Args:
        policy: what they get: a `SlowPolicy`, or its action alone.
        endpoint: the endpoint they connected to, as `bind()` returned it, or as it was given to it
            with `*` or `localhost` as the host; "" = any.
        address: the IP address of the peer, or a network such as "10.0.0.0/8"; "" = any.
            Peers of `ipc://` have none.
        topic: it has a subscription that begins with this; b"" = any, or none at all.
        name: the name it gave itself, with `*`, `?` and `[…]` as in a shell; "" = any, or none.

    Raises:
        ConfigError: the address is none, no endpoint is called so, or a field is of another kind.
    """

    policy: SlowPolicy
    endpoint: str = ""
    address: str = ""
    topic: bytes = b""
    name: str = ""

    if TYPE_CHECKING:  # what it may be made of; it has them as above

        def __init__(
            self,
            policy: SlowPolicy | Action,
            endpoint: str = ...,
            address: str = ...,
            topic: TopicLike = ...,
            name: str = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        given: Any = self.policy
        if not isinstance(given, SlowPolicy):
            check_action("SlowRule(policy=…)", given, instead=" or a SlowPolicy")
            object.__setattr__(self, "policy", SlowPolicy(given))
        for name in ("endpoint", "address", "name"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise ConfigError(f"SlowRule({name}=…) must be a str, not {shown(value)}")
        object.__setattr__(self, "endpoint", _as_bound(self.endpoint))
        if len(self.name) > NAME_PATTERN_MAX:
            raise ConfigError(f"SlowRule(name=…) is longer than {NAME_PATTERN_MAX} characters")
        try:
            object.__setattr__(self, "topic", as_topic(self.topic))
        except TypeError as error:
            raise ConfigError(f"SlowRule: {error}") from None
        if self.address:
            from ipaddress import ip_network  # workers, which load this file, make no rules

            try:
                ip_network(self.address)
            except ValueError as error:
                raise ConfigError(
                    f"SlowRule(address={shown(self.address)}) is neither an IP address nor a "
                    f"network such as '10.0.0.0/8': {error}"
                ) from None
