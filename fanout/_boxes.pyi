# What `_boxes.c` has, for type checkers; what each is for: `fanout.zmtp.batches.StretchSealing`.

_Bytes = bytes | bytearray | memoryview

sources: str

class Boxes:
    def __new__(cls, address: int, /) -> Boxes: ...
    def cut(self, plain: _Bytes, enough: int, most: int, /) -> tuple[int, int, int]: ...
    def ends(self, plain: _Bytes, /) -> tuple[list[int], list[int]]: ...
    def seal(
        self,
        plain: _Bytes,
        first: int,
        frames: int,
        key: bytes,
        text: bytes,
        out: bytearray | memoryview,
        /,
    ) -> int: ...
