"""What users of pyzmq, asyncio or pickle try and what is not there: refused with what to do. Pure.

A publisher that silently ignored `linger` or `flags` would do another thing than it was told to.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, NoReturn, SupportsIndex

from fanout.errors import ConfigError
from fanout.terms.absent import Absent, refuse_attributes
from fanout.terms.arguments import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NOT_SHOWN = "subscriptions are not shown as messages: wait_for_subscribers(), on_event=..."
_OPTIONS = "options are keyword arguments of Publisher() (see fanout.Options)"
_GET = "options are attributes of publisher.options, addresses publisher.endpoints"
_CURVE = "it is security=fanout.auth.Curve(...), for each endpoint"
_BINDS = "a publisher binds, and only sends"
_PREFIXES = f"{_BINDS}: subscribers say what they want"
_CLOSE = "close() ends all of it, and there is no context"
_HWM = "a subscriber's limit is slow_limit_bytes=..., in bytes, or a SlowPolicy's limit_messages"
_EVENTS = "nothing has to be waited for by it: with asyncio take fanout.asyncio.Publisher"
_TYPE = "a fanout.Publisher is what a PUB socket is, and nothing else"
_TCP = "send_timeout, heartbeat_interval and tcp_user_timeout find dead peers, by default"
_FRAME = "encode the value yourself and send() it, or use send_msgpack()"

# What a PUB socket of pyzmq has, in lower case, and what there is here.
PYZMQ_ATTRIBUTES = {
    "linger": "say how long delivery may take by close(timeout) or drain_timeout=...",
    "hwm": _HWM,
    "sndhwm": _HWM,
    "rcvhwm": _BINDS,
    "sndtimeo": "pass timeout=... to each send; only of use with slow_policy='block'",
    "rcvtimeo": _BINDS,
    "sndbuf": "it is kernel_queue_bytes=...",
    "rcvbuf": _BINDS,
    "tcp_keepalive": _TCP,
    "tcp_keepalive_idle": _TCP,
    "tcp_keepalive_intvl": _TCP,
    "tcp_keepalive_cnt": _TCP,
    "ipv6": "bind tcp://[::]:PORT for both, tcp://[::1]:PORT for IPv6 alone",
    "immediate": "a publisher has no queue for who has not connected: wait_for_subscribers()",
    "conflate": "it is slow_policy='conflate', for each topic",
    "invert_matching": "there is no such mode: subscribers match by prefix",
    "xpub_nodrop": "it is slow_policy='block'",
    "xpub_verbose": _NOT_SHOWN,
    "xpub_manual": _NOT_SHOWN,
    "maxmsgsize": "it is max_inbound_bytes=...",
    "heartbeat_ivl": "it is heartbeat_interval=..., in seconds",
    "handshake_ivl": "it is handshake_timeout=..., in seconds",
    "xpub_verboser": _NOT_SHOWN,
    "xpub_welcome_msg": "who subscribes can have the last messages: last_values=...",
    "tcp_maxrt": "it is tcp_user_timeout=..., in seconds",
    "reconnect_ivl": f"{_BINDS}: subscribers connect again",
    "affinity": "the workers share the connections: see rebalance=... and move()",
    "zap_domain": "who may subscribe is said by a function: security=fanout.auth.Plain(check)",
    "curve_server": _CURVE,
    "curve_publickey": _CURVE,
    "curve_secretkey": _CURVE,
    "plain_server": "it is security=fanout.auth.Plain(...), for each endpoint",
    "last_endpoint": "it is endpoints[-1]",
    "setsockopt": _OPTIONS,
    "setsockopt_string": _OPTIONS,
    "set": _OPTIONS,
    "set_hwm": _HWM,
    "get_hwm": _HWM,
    "set_string": _OPTIONS,
    "setsockopt_unicode": _OPTIONS,
    "getsockopt": _GET,
    "getsockopt_string": _GET,
    "getsockopt_unicode": _GET,
    "get": _GET,
    "get_string": _GET,
    "bind_to_random_port": "bind('tcp://127.0.0.1:*') returns the endpoint with its port",
    "connect": _BINDS,
    "recv": _BINDS,
    "recv_into": _BINDS,
    "recv_json": _BINDS,
    "recv_multipart": _BINDS,
    "recv_pyobj": _BINDS,
    "recv_serialized": _BINDS,
    "recv_string": _BINDS,
    "recv_unicode": _BINDS,
    "poll": "a publisher is always ready to send; wait_for_subscribers() waits for them",
    "send_pyobj": _FRAME,
    "send_unicode": "it is send_string()",
    "send_serialized": _FRAME.replace("send()", "send_multipart()"),
    "get_monitor_socket": "pass on_event=... to Publisher()",
    "monitor": "pass on_event=... to Publisher()",
    "disable_monitor": "pass no on_event=... to Publisher()",
    "identity": "subscribers do not see one; name=... is for tools that show publishers",
    "routing_id": "subscribers do not see one; name=... is for tools that show publishers",
    "subscribe": _PREFIXES,
    "unsubscribe": _PREFIXES,
    "context": "there is none: a publisher has processes of its own, workers=... of them",
    "copy_threshold": "what you pass is always copied once, before the call returns",
    "term": _CLOSE,
    "destroy": _CLOSE,
    "fd": _EVENTS,
    "fileno": _EVENTS,
    "type": _TYPE,
    "socket_type": _TYPE,
}

_ENDPOINT = "what to listen on is the first argument, Publisher('tcp://*:5556')"

# What people pass to Publisher() that is no attribute of a socket, in lower case.
_KEYWORDS = {
    "io_threads": "it is workers=..., which are processes",
    **dict.fromkeys(
        ("endpoints", "bind", "address", "addr", "addresses", "url", "port"), _ENDPOINT
    ),
}

_ARGUMENTS = {
    "flags": "NOBLOCK is timeout=0; instead of SNDMORE, send_multipart() takes all frames",
    "copy": "what you pass is always copied once, before the call returns",
    "track": "what you pass is copied before the call returns, so you may change it then",
}


class NotHere:
    """The type of pyzmq's arguments that there are not here; nobody has such a value to pass."""


class NotPickled:
    """Objects that belong to the process that made them."""

    __slots__ = ()
    _belongings = (
        "it has workers, sockets and memory of its own; hand what is to be published to the "
        "process that has it, or make another one there"
    )

    def __reduce_ex__(self, _protocol: SupportsIndex) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} cannot be pickled or copied: {self._belongings}")


class NotASocket(NotPickled):
    """Refuses what a socket of pyzmq has, see `PYZMQ_ATTRIBUTES`, and to be changed by attributes.

    What is set is kept in slots, so that a mistake is not kept as something that nobody reads. A
    class of the user's that inherits may have what it likes, unless it is called as an option is.
    """

    __slots__ = ()

    if not TYPE_CHECKING:  # they refuse it by themselves, but not with this

        def __setattr__(self, name: str, value: object) -> None:
            if name.startswith("_") or name.lower() in PYZMQ_ATTRIBUTES:
                super().__setattr__(name, value)  # ours; or refused with what to do
                return
            # Not loaded before it is asked for.
            from fanout.terms.option_arguments import OptionArguments

            is_option = name == "options" or name in OptionArguments.__annotations__
            if hasattr(self, "__dict__") and not is_option:
                super().__setattr__(name, value)
                return
            is_there = hasattr(type(self), name) or is_option
            what = "cannot be changed" if is_there else "is no attribute that can be set"
            raise AttributeError(
                f"{name!r} {what}: {_OPTIONS}, and cannot be changed afterwards; keep data of your "
                "own elsewhere"
            )

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name.lower() not in PYZMQ_ATTRIBUTES]


refuse_attributes(NotASocket, PYZMQ_ATTRIBUTES, "fanout has no {!r}, which is of pyzmq")


class NotAPublisher(NotPickled):
    """Refuses of a batch what a publisher has, and a batch has not."""

    __slots__ = ()


for _name, _instead in {
    "send_string": "send(text.encode())",
    "send_json": "publish(topic, json.dumps(value).encode()), or send() of the same",
    "send_msgpack": "publish(topic, msgpack.packb(value)), or send() of the same",
}.items():
    setattr(NotAPublisher, _name, Absent(f"a batch has no {_name!r}: use {_instead}"))


def unknown_keyword(name: str, known: Iterable[str]) -> str:
    """What to say of an argument of a constructor that there is not.

    Args:
        known: the arguments that there are.
    """
    hint = _KEYWORDS.get(name.lower()) or PYZMQ_ATTRIBUTES.get(name.lower())
    if hint is not None:
        return f"there is no option {name!r}: {hint}"
    return f"there is no option {name!r}{did_you_mean(name, known, ' (see fanout.Options)')}"


def refuse_encoding(call: str, encoder: str, unknown: Iterable[str]) -> None:
    """Refuse arguments for the encoder of a value, if there are any.

    Raises:
        TypeError: there is one; the text says what to do. Nothing was sent.
    """
    for name in unknown:
        raise TypeError(
            f"{call}() got an unexpected keyword argument {name!r}; with arguments of {encoder}() "
            f"encode the value yourself, and publish() or send() what comes of it"
        )


def refuse_linger(linger: object) -> None:
    """Refuse pyzmq's argument of `close()`, if it is not None.

    Raises:
        TypeError: the text says what to do. Nothing has changed.
    """
    if linger is not None:
        raise TypeError(
            "close() has no linger, in milliseconds: it is close(timeout), in seconds; stop() ends "
            "at once"
        )


def refuse_timeout(timeout: object) -> None:
    """Refuse a timeout of what only adds to a batch, if it is not None.

    Raises:
        TypeError: the text says what to do. Nothing was added.
    """
    if timeout is not None:
        raise TypeError(
            "what is added to a batch has no timeout, since nothing is sent yet: it is one of "
            "batch(timeout=...)"
        )


def name_as(owner: str, kind: type) -> None:
    """Have the methods of a class of ours called after the one that users know, in Python's texts.

    Args:
        owner: the name that users know.
    """
    for name, method in vars(kind).items():
        if isinstance(method, FunctionType) and not name.startswith("_"):
            method.__qualname__ = f"{owner}.{name}"


def refuse_arguments(call: str, flags: object, copy: object, track: object) -> None:
    """Refuse those arguments of pyzmq's calls that are not None: there is no such thing here.

    Raises:
        TypeError: there is one; the text says what to do. Nothing was sent.
    """
    if flags is not None and not isinstance(flags, int):
        if call == "publish":
            raise TypeError(
                "publish() takes no third argument but by name, where pyzmq's verbs have flags: "
                "timeout=... or keyframe=..., and send_multipart() takes all frames"
            )
        raise TypeError(
            f"{call}() takes no second argument but by name, where pyzmq has flags: what goes to a "
            "topic is sent by publish(topic, payload), or with `topic=` if the verb has it"
        )
    refuse_given(call, {"flags": flags, "copy": copy, "track": track}, _ARGUMENTS)


def refuse_given(call: str, given: Mapping[str, object], hints: Mapping[str, str]) -> None:
    """Refuse the first of these arguments that is not None.

    Args:
        hints: what to do instead, by their names.

    Raises:
        TypeError: there is one.
    """
    for name, value in given.items():
        if value is not None:
            raise TypeError(f"{call}() has no {name}: {hints[name]}")


def refuse_others(endpoint: str, ingesting: Iterable[str], answering: Iterable[str]) -> None:
    """Refuse to unbind what is no endpoint of subscribers.

    Raises:
        ConfigError: it is one of these; says what ends it.
    """
    if endpoint in ingesting:
        raise ConfigError(f"{endpoint!r} is one of ingest(): stop_ingest() ends it")
    if endpoint in answering:
        raise ConfigError(f"{endpoint!r} is one of answer(): stop_answer() ends it")
