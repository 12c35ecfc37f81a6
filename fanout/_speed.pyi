# What `_speed.c` has, for type checkers; what each is for is said there.

from collections.abc import Sequence
from typing import Any

class Lock:
    def __init__(self, inner: object, held: memoryview, number: int) -> None: ...
    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...
    def release(self) -> None: ...
    def _is_owned(self) -> bool: ...

class Adding:
    def publish(
        self,
        topic: object,
        payload: object,
        *,
        keyframe: bool = False,
        timeout: None = None,
    ) -> None: ...

class Log:
    _position_limit: int
    _sequence_limit: int
    def append_coded(self, data: bytes, ends: bytes, ids: bytes) -> int: ...
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
    def encode(
        self, messages: Sequence[object]
    ) -> tuple[bytes, bytes, bytes, list[Any]] | None: ...
    def share(
        self,
        *,
        log: Log,
        table: object,
        headers: Sequence[bytes],
        gate: memoryview,
        held: memoryview,
        open: int,
    ) -> None: ...
