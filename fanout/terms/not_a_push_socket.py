"""What a PUSH socket of pyzmq has, and a producer has not: refused with what to do. Pure.

A producer has the verbs of a publisher, and would else refuse with what a publisher has instead.
"""

from __future__ import annotations

from fanout.terms.absent import refuse_attributes
from fanout.terms.refusals import NotPickled

_CONNECTS = "the endpoint is the first argument of Producer()"
_QUEUE = "what may wait is queue_bytes=..., in bytes"
_OPTIONS = "it has queue_bytes=... alone, an argument of Producer()"
_SENDS = "a producer only sends"
_NULL = "an endpoint of ingest() asks nobody who he is"
_STATE = "connected says if there is a connection"

ATTRIBUTES = {
    "linger": "say how long sending may take by close(timeout), in seconds",
    "sndtimeo": "pass timeout=... to each send, in seconds",
    "immediate": "messages wait in its queue while the publisher is away",
    "reconnect_ivl": "it connects again by itself, after 0.1 to 10 s",
    "conflate": "a producer drops nothing: subscribers have policies, of the publisher",
    "poll": "send with timeout=0, which raises Again if there is no room",
    "last_endpoint": _CONNECTS,
    "bind_to_random_port": f"a producer connects: {_CONNECTS}",
    "connect": _CONNECTS,
    **dict.fromkeys(("hwm", "sndhwm", "set_hwm", "get_hwm", "sndbuf"), _QUEUE),
    **dict.fromkeys(("get_monitor_socket", "monitor", "disable_monitor"), _STATE),
    **dict.fromkeys(("curve_server", "curve_publickey", "curve_secretkey", "plain_server"), _NULL),
    **dict.fromkeys(("rcvhwm", "rcvtimeo", "rcvbuf", "subscribe", "unsubscribe"), _SENDS),
    **dict.fromkeys(("recv", "recv_into", "recv_json", "recv_multipart", "recv_pyobj"), _SENDS),
    **dict.fromkeys(("recv_serialized", "recv_string", "recv_unicode"), _SENDS),
    **dict.fromkeys(("set", "set_string", "setsockopt", "setsockopt_string"), _OPTIONS),
    **dict.fromkeys(("get", "get_string", "getsockopt", "getsockopt_string"), _OPTIONS),
}


class NotAPushSocket(NotPickled):
    """Refuses what a PUSH socket of pyzmq has, and to be pickled."""

    __slots__ = ()
    _belongings = "it has a connection of its own; make another one in the process that needs it"


refuse_attributes(NotAPushSocket, ATTRIBUTES, "fanout.Producer has no {!r}")
