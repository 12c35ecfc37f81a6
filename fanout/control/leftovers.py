"""Control message about files that are in the way of nobody, and that somebody has to remove."""

from __future__ import annotations

from typing import ClassVar

from fanout.basics.records import record


@record
class LeftFile:
    """To a worker: if the publisher's process is killed, this socket file is left; or not any more.

    Bytes, since neither a path nor the numbers of a file fit into anything else.
    """

    code: ClassVar[int] = 46
    file: list[bytes]  # its path, its identity, and its directory, if that was made for it alone
    is_there: bool
