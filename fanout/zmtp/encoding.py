"""What turns messages of the log into what one kind of peer reads.

The log holds messages as ZMTP 2.0, 3.0 and 3.1 have them, so that for most peers there is nothing
to do. The others have an encoding (`Session.encoding`).
"""

from __future__ import annotations

from typing import Protocol


class Encoding(Protocol):
    """Hashable, equal only to itself: peers with the same encoding can be served together."""

    @property
    def shared(self) -> bool:
        """Whether one result serves every peer with this encoding, whatever the number.

        True for ZMTP 1.0, which only frames messages in another way. False where each connection
        has a key of its own.
        """

    def encode(self, piece: bytes, number: int) -> bytes:
        """Encode one whole message.

        Args:
            piece: the message as it stands in the log, see `encode_message`.
            number: of the message in the log. Every stream has each number at most once, and they
                grow, with gaps where a message was not for this peer or was dropped. The rest of a
                message that was sent in part is made by encoding it again, by whoever serves the
                peer then: with the same number, so that the same bytes come out, and an encryption
                never uses a number for two different messages.
        """
