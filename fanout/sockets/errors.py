"""What sockets raise beside the errors of fanout: a call out of turn, nobody there, no answer.

FanoutError
├── StateError      yours: not the turn of this call; nothing has changed
├── RouterError     the outside: nobody with this identity is connected; nothing was sent
└── NoReplyError    the outside: who was asked is gone; ask again
"""

from __future__ import annotations

from fanout.errors import FanoutError


class StateError(FanoutError):
    """It is not the turn of this call; nothing has changed, and the text says whose turn it is."""


class RouterError(FanoutError):
    """Nobody with this identity is connected; nothing was sent.

    Attributes:
        identity: as it was given.
    """

    def __init__(self, identity: bytes) -> None:
        super().__init__(identity)
        self.identity = identity

    def __str__(self) -> str:
        return f"nobody with the identity {self.identity[:40]!r} is connected; nothing was sent"


class NoReplyError(FanoutError):
    """The connection to the peer that was asked is lost, and its reply with it; ask again."""


class NotNowError(Exception):
    """Inside only: there is nothing to take, or no room; whoever asked may wait and try again."""
