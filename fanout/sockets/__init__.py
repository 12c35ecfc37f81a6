"""ZeroMQ sockets besides PUB, in pure Python, that lose nothing when a call is cut short.

Push, Pull          messages to one of several, and from all of them in turn
Req, Rep            a question and its reply
Dealer, Router      both ways: to any peer, or to the one that is named
Sub                 what is published
Limits              what a socket may hold
Problem             what went wrong where no call could say so, `socket.errors()`
fanout.sockets.asyncio   the same, awaitable where they can wait
"""

from __future__ import annotations

from fanout.sockets.actor import SocketStatistics
from fanout.sockets.blocking import Dealer, Pull, Push, Rep, Req, Router, Sub
from fanout.sockets.errors import NoReplyError, RouterError, StateError
from fanout.sockets.limits import Limits
from fanout.sockets.problems import Problem, ProblemKind

__all__ = [
    "Dealer",
    "Limits",
    "NoReplyError",
    "Problem",
    "ProblemKind",
    "Pull",
    "Push",
    "Rep",
    "Req",
    "Router",
    "RouterError",
    "SocketStatistics",
    "StateError",
    "Sub",
]
