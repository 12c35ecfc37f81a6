# What `_speed.c` and `_speed_verbs.c` have, for type checkers; what each is for is said there.

from collections.abc import Iterator, Sequence
from typing import Any

class Lock:
    def __init__(self, inner: object, held: memoryview, number: int) -> None: ...
    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...
    def release(self) -> None: ...
    def _is_owned(self) -> bool: ...

class Coded:
    size: int
    count: int
    def __iter__(self) -> Iterator[Any]: ...

def make_verb(type: type, which: int, text: str) -> Any: ...
def make_awaited_verb(type: type, which: int, twin: object) -> Any: ...

class Sending: ...
class Verb: ...

class Log:
    _position_limit: int
    _sequence_limit: int
    _epoch: int
    def append_coded(self, coded: Coded) -> int: ...
    def keep(self, first: int, places: int) -> None: ...
    def share(
        self,
        words: memoryview,
        *,
        head: int,
        poison: int,
        sleepers: int,
        ends: int,
        topics: int,
        data: int,
        entries: int,
        data_bytes: int,
    ) -> None: ...

class Path:
    _ask_each: bool
    def append(self, body: bytes, subject: object) -> int: ...
    def append_coded(self, coded: object) -> int: ...
    def encode(self, messages: Sequence[object]) -> Coded | None: ...
    def share(
        self,
        *,
        log: Log,
        table: object,
        headers: Sequence[bytes],
        end: bytes,
        whole: type,
        gate: memoryview,
        held: memoryview,
        open: int,
        placed: type,
    ) -> None: ...
