"""What users of pyzmq try with a socket, and what is not there: refused with what to do. Pure."""

from __future__ import annotations

from fanout.terms.absent import refuse_attributes
from fanout.terms.refusals import NotPickled, refuse_given

_SEND = "send() takes one frame, or a list of them"
_RECV = "recv() returns all frames of a message"
_OPTIONS = "what can be chosen is an argument of the constructor, limits=Limits(...) for one"
_OUTBOX = "it is limits=Limits(outbox_messages=..., outbox_bytes=...)"
_INBOX = "it is limits=Limits(inbox_messages=..., inbox_bytes=...)"
_TIMEOUT = "it is timeout=... of each call, in seconds"
_POLL = "try_recv() and try_send() do not wait, recv(timeout=...) and send(timeout=...) do"
_EVENTS = "errors() tells what went wrong; wait_for_peers() waits for connections"

# What a socket of pyzmq has, in lower case, and what there is here.
PYZMQ_ATTRIBUTES = {
    "send_multipart": _SEND,
    "send_string": f"{_SEND}: send(text.encode())",
    "send_json": f"{_SEND}: send(json.dumps(value).encode())",
    "send_pyobj": f"{_SEND}: encode the value yourself",
    "send_serialized": f"{_SEND}: encode the value yourself",
    "recv_multipart": _RECV,
    "recv_string": f"{_RECV}: recv()[0].decode()",
    "recv_json": f"{_RECV}: json.loads(recv()[0])",
    "recv_pyobj": f"{_RECV}; to unpickle what came over a network is not safe",
    "recv_serialized": _RECV,
    "linger": "it is close(timeout), in seconds",
    "sndhwm": _OUTBOX,
    "rcvhwm": _INBOX,
    "hwm": f"{_OUTBOX}, and inbox_...",
    "set_hwm": f"{_OUTBOX}, and inbox_...",
    "sndtimeo": _TIMEOUT,
    "rcvtimeo": _TIMEOUT,
    "maxmsgsize": "it is limits=Limits(max_message_bytes=...)",
    "identity": "it is identity=... of Dealer, Router and Req",
    "routing_id": "it is identity=... of Dealer, Router and Req",
    "router_mandatory": "it is Router(mandatory=True)",
    "router_handover": "it is Router(handover=True)",
    "req_correlate": "it is Req(correlate=...), on by default",
    "req_relaxed": "to ask again is always allowed",
    "setsockopt": _OPTIONS,
    "setsockopt_string": _OPTIONS,
    "set": _OPTIONS,
    "getsockopt": _OPTIONS,
    "get": _OPTIONS,
    "last_endpoint": "bind() returns it",
    "bind_to_random_port": "bind('tcp://127.0.0.1:*') returns the endpoint with its port",
    "unbind": "close() ends all that it listens on",
    "disconnect": "close() ends all connections",
    "poll": _POLL,
    "get_monitor_socket": _EVENTS,
    "monitor": _EVENTS,
    "context": "there is none: a socket has a thread of its own, with asyncio none",
    "curve_serverkey": "there is NULL alone: a Publisher and a Subscriber have CURVE",
    "plain_username": "there is NULL alone: a Publisher and a Subscriber have PLAIN",
}


_ARGUMENTS = {
    "flags": "NOBLOCK is timeout=0, and a message has all its frames at once",
    "copy": "frames are bytes, and are copied where they must be",
    "track": "what is sent may be changed when the call has returned; see drain()",
}


class NotAZmqSocket(NotPickled):
    """Refuses what a socket of pyzmq has, and to be pickled."""

    __slots__ = ()
    _belongings = "it has connections of its own; make another one in the process that needs it"

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name.lower() not in PYZMQ_ATTRIBUTES]


refuse_attributes(
    NotAZmqSocket, PYZMQ_ATTRIBUTES, "a socket of fanout has no {!r}, which is of pyzmq"
)


def refuse_flags(call: str, flags: object, copy: object, track: object) -> None:
    """Refuse those arguments of pyzmq's calls that are not None: there is no such thing here.

    Raises:
        TypeError: there is one; the text says what to do. Nothing has happened.
    """
    refuse_given(call, {"flags": flags, "copy": copy, "track": track}, _ARGUMENTS)
