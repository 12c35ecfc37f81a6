# What `_speed.c` and `speed/` have, for type checkers; what each is for is said there.

from typing import Any, Self

sources: str

class Lock:
    def __init__(
        self,
        inner: object,
        acquire: object,
        release: object,
        is_owned: object,
        held: memoryview,
        number: int,
        /,
    ) -> None: ...
    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...
    def release(self) -> None: ...
    def _is_owned(self) -> bool: ...

class Coded:
    size: int
    count: int
    young: object
    @property
    def bodies(self) -> list[bytes]: ...
    @property
    def topics(self) -> list[Any]: ...
    def append(self) -> int: ...
    def __len__(self) -> int: ...
    def __iadd__(self, pair: tuple[Any, Any], /) -> Self | list[Any]: ...

def make_verb(type: type, attribute: str, mode: int, kind: int, twin: object, /) -> Any: ...

class Sending: ...
class Verb: ...

class Log:
    _position_limit: int
    _sequence_limit: int
    _epoch: int
    def append_coded(self, coded: Coded, /) -> int: ...
    def share(self, *areas: memoryview) -> None: ...

class Path:
    _ask_each: bool
    _batch_bytes: int
    _batch_count: int
    def append(self, body: bytes, subject: object, /) -> int: ...
    def collect(self) -> Coded: ...
    def share(
        self,
        log: Log,
        table: object,
        headers: list[bytes],
        most: int,
        end: bytes,
        gate: memoryview,
        held: memoryview,
        open: int,
        usual: type,
        placed: type,
        /,
    ) -> None: ...
