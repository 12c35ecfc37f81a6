"""What users of pyzmq, asyncio or pickle try with a subscriber: refused with what to do. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanout.terms.absent import refuse_attributes
from fanout.terms.arguments import did_you_mean
from fanout.terms.refusals import NotPickled

if TYPE_CHECKING:
    from collections.abc import Iterable

_CONNECTS = "the endpoint, or several, are the first argument of Subscriber()"
_OPTIONS = "options are keyword arguments of Subscriber()"
_TIMEOUT = "it is recv(timeout=...), in seconds"
_LIMIT = "what may wait is queue_bytes=..., and queue_policy=... what happens then"
_RETRIES = "it connects again by itself, after up to 0.1 s at first and up to 10 s in the end"
_FRAMES = "recv() returns a message with its topic, payload and frames"
_RECEIVES = "a subscriber only receives"

# What a SUB socket of pyzmq has, in lower case, and what there is here.
PYZMQ_ATTRIBUTES = {
    "recv_multipart": _FRAMES,
    "recv_string": f"{_FRAMES}: recv().payload.decode()",
    "recv_json": f"{_FRAMES}: json.loads(recv().payload)",
    "recv_pyobj": f"{_FRAMES}; to unpickle what came over a network is not safe",
    "send": _RECEIVES,
    "send_multipart": _RECEIVES,
    "publish": _RECEIVES,
    "connect": _CONNECTS,
    "bind": f"a subscriber connects: {_CONNECTS}",
    "disconnect": "close() ends it",
    "setsockopt": _OPTIONS,
    "setsockopt_string": _OPTIONS,
    "set": _OPTIONS,
    "getsockopt": _OPTIONS,
    "get": _OPTIONS,
    "subscribe_string": "subscribe() takes str as well",
    "rcvtimeo": _TIMEOUT,
    "rcvhwm": _LIMIT,
    "hwm": _LIMIT,
    "conflate": "it is queue_policy='conflate', or subscribe to b'\\x00fanout.policy=conflate'",
    "maxmsgsize": "it is max_message_bytes=...",
    "linger": "a subscriber has nothing that close() would wait for",
    "reconnect_ivl": _RETRIES,
    "reconnect_ivl_max": _RETRIES,
    "get_monitor_socket": "pass on_event=... to Subscriber()",
    **dict.fromkeys(
        ("curve_serverkey", "curve_publickey", "curve_secretkey"),
        "it is security=auth.CurveClient(server_key, secret_key)",
    ),
    **dict.fromkeys(
        ("plain_username", "plain_password"), "it is security=auth.PlainClient(user, password)"
    ),
    "context": "there is none: a subscriber has one thread of its own, with asyncio none",
}

# What people pass to Subscriber() that is no attribute of a socket, in lower case.
_KEYWORDS = {
    **dict.fromkeys(("endpoints", "address", "addresses", "addr", "url", "host"), _CONNECTS),
    **dict.fromkeys(("topic", "prefix", "prefixes"), "it is topics=..., or the second argument"),
    "timeout": _TIMEOUT,
    **dict.fromkeys(("ssl", "ssl_context", "cafile", "ca"), "it is tls=auth.TlsClient(ca=...)"),
}


class NotASubSocket(NotPickled):
    """Refuses what a SUB socket of pyzmq has, and to be pickled."""

    __slots__ = ()
    _belongings = (
        "it has connections of its own; make another one in the process that needs it, with "
        "since=(message.epoch, message.sequence) to go on where this one stands"
    )

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name.lower() not in PYZMQ_ATTRIBUTES]


refuse_attributes(NotASubSocket, PYZMQ_ATTRIBUTES, "fanout.Subscriber has no {!r}")


def unknown_keyword(name: str, known: Iterable[str]) -> str:
    """What to say of an argument of a constructor that there is not.

    Args:
        known: the keyword arguments that there are.
    """
    hint = _KEYWORDS.get(name.lower()) or PYZMQ_ATTRIBUTES.get(name.lower())
    if hint is not None:
        return f"a subscriber has no argument {name!r}: {hint}"
    known = ["topics", *known]
    meant = did_you_mean(name, known, f": there are {', '.join(known)}")
    return f"a subscriber has no argument {name!r}{meant}"
