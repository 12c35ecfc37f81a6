"""What users of pyzmq, asyncio or pickle try and what is not there: refused with what to do. Pure.

A publisher that silently ignored `linger` or `flags` would do another thing than it was told to.
"""

from __future__ import annotations

from typing import NoReturn, SupportsIndex

_OPTIONS = "options are keyword arguments of Publisher() (see fanout.Options)"
_BINDS = "a publisher binds, and only sends"
_TCP = "send_timeout, heartbeat_interval and tcp_user_timeout find dead peers, by default"
_FRAME = "encode the value yourself and send() it, or use send_msgpack()"

# What a PUB socket of pyzmq has, in lower case, and what there is here.
PYZMQ_ATTRIBUTES = {
    "linger": "say how long delivery may take by close(timeout) or drain_timeout=...",
    "hwm": "a subscriber's limit is slow_limit_bytes=..., in bytes of log",
    "sndhwm": "a subscriber's limit is slow_limit_bytes=..., in bytes of log",
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
    "conflate": "there is no such mode",
    "invert_matching": "there is no such mode: subscribers match by prefix",
    "xpub_nodrop": "it is slow_policy='block'",
    "xpub_verbose": "subscriptions are not shown as messages: wait_for_subscribers(), on_event=...",
    "xpub_manual": "subscriptions are not shown as messages: wait_for_subscribers(), on_event=...",
    "maxmsgsize": "it is max_inbound_bytes=...",
    "heartbeat_ivl": "it is heartbeat_interval=..., in seconds",
    "handshake_ivl": "it is handshake_timeout=..., in seconds",
    "curve_server": "only the NULL mechanism is served: use a tunnel",
    "plain_server": "only the NULL mechanism is served: use a tunnel",
    "last_endpoint": "it is endpoints[-1]",
    "setsockopt": _OPTIONS,
    "setsockopt_string": _OPTIONS,
    "set": _OPTIONS,
    "set_hwm": "a subscriber's limit is slow_limit_bytes=..., in bytes of log",
    "getsockopt": "options are attributes of publisher.options, addresses publisher.endpoints",
    "get": "options are attributes of publisher.options, addresses publisher.endpoints",
    "bind_to_random_port": "bind('tcp://127.0.0.1:*') returns the endpoint with its port",
    "connect": _BINDS,
    "disconnect": _BINDS,
    "recv": _BINDS,
    "recv_multipart": _BINDS,
    "poll": "a publisher is always ready to send; wait_for_subscribers() waits for them",
    "send_pyobj": _FRAME,
    "send_serialized": _FRAME.replace("send()", "send_multipart()"),
    "get_monitor_socket": "pass on_event=... to Publisher()",
}

_ARGUMENTS = {
    "flags": "NOBLOCK is timeout=0; instead of SNDMORE, send_multipart() takes all frames",
    "copy": "what you pass is always copied once, before the call returns",
    "track": "what you pass is copied before the call returns, so you may change it then",
}


class NotHere:
    """The type of pyzmq's arguments that there are not here; nobody has such a value to pass."""


class _Absent:
    """An attribute of pyzmq that can be neither read nor set here.

    It is found on the class, so looking up what there is costs nothing more.
    """

    def __init__(self, name: str, hint: str) -> None:
        self._text = f"fanout has no {name!r}, which is of pyzmq: {hint}"

    def __get__(self, _instance: object, _owner: type) -> NoReturn:
        raise AttributeError(self._text)

    def __set__(self, _instance: object, _value: object) -> NoReturn:
        raise AttributeError(self._text)


class NotPickled:
    """Objects that belong to the process that made them."""

    def __reduce_ex__(self, _protocol: SupportsIndex) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} cannot be pickled or copied: it has workers, sockets and "
            "memory of its own; hand what is to be published to the process that has it, or make "
            "another one there"
        )


class NotASocket(NotPickled):
    """Refuses what a socket of pyzmq has; see `PYZMQ_ATTRIBUTES`."""

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name.lower() not in PYZMQ_ATTRIBUTES]


for _name, _hint in PYZMQ_ATTRIBUTES.items():  # type checkers know by themselves what there is not
    for _spelling in {_name, _name.upper()}:
        setattr(NotASocket, _spelling, _Absent(_spelling, _hint))


def refuse_arguments(call: str, flags: object, copy: object, track: object) -> None:
    """Refuse those arguments of pyzmq's calls that are not None: there is no such thing here.

    Raises:
        TypeError: there is one; the text says what to do. Nothing was sent.
    """
    for name, given in (("flags", flags), ("copy", copy), ("track", track)):
        if given is not None:
            raise TypeError(f"{call}() has no {name}: {_ARGUMENTS[name]}")
