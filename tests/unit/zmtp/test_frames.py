"""Frames: the shortest form out, every legal form in, in linear time and bounded memory."""

from __future__ import annotations

import pytest

from fanout.zmtp import (
    COMMAND,
    LONG,
    MORE,
    FrameReader,
    LocalProtocolError,
    RemoteProtocolError,
    encode_message,
    first_frame,
    frame_header,
    split_message,
)
from fanout.zmtp.errors import OverLimitError
from fanout.zmtp.frames import frame_headers
from fanout.zmtp.lost_long import lost_long_size
from tests.unit.zmtp.wire import each_byte, long_frame, lost_long_bit, short_frame


def frames_of(reader: FrameReader, data: bytes) -> list[tuple[int, bytes]]:
    """Feed and take everything."""
    reader.feed(data)
    return list(reader.frames())


class TestHeader:
    @pytest.mark.parametrize(
        ("size", "flags", "header"),
        [
            (0, 0, "0000"),
            (0, MORE, "0100"),
            (255, 0, "00ff"),
            (255, COMMAND, "04ff"),
            (256, 0, "020000000000000100"),
            (256, MORE, "030000000000000100"),
            (276, COMMAND, "060000000000000114"),
            (2**63 - 1, 0, "027fffffffffffffff"),
        ],
    )
    def test_is_the_shortest_form(self, size: int, flags: int, header: str) -> None:
        assert frame_header(size, flags) == bytes.fromhex(header)

    @pytest.mark.parametrize(("size", "flags"), [(-1, 0), (2**63, 0), (1, LONG), (1, 8), (1, -1)])
    def test_refuses_what_cannot_be(self, size: int, flags: int) -> None:
        with pytest.raises(LocalProtocolError):
            frame_header(size, flags)

    @pytest.mark.parametrize("flags", [0, MORE])
    @pytest.mark.parametrize("count", [0, 1, 256, 257, 1_000])
    def test_many_are_the_same_as_one_by_one(self, count: int, flags: int) -> None:
        one_by_one = [frame_header(size, flags) for size in range(count)]
        assert frame_headers(count, flags) == one_by_one


class TestMessage:
    @pytest.mark.parametrize(
        ("frames", "wire"),
        [
            ([b"AB"], "00024142"),
            ([b""], "0000"),
            ([b"", b"", b""], "010001000000"),
            ([b"A", b"", b"x"], "0101410100000178"),
            ([b"a" * 255, b"b" * 256], "01ff" + "61" * 255 + "020000000000000100" + "62" * 256),
            ([b"b" * 256, b""], "030000000000000100" + "62" * 256 + "0000"),
        ],
    )
    def test_on_the_wire(self, frames: list[bytes], wire: str) -> None:
        assert encode_message(frames) == bytes.fromhex(wire)
        assert split_message(bytes.fromhex(wire)) == frames
        assert first_frame(bytes.fromhex(wire)) == frames[0]

    def test_has_at_least_one_frame(self) -> None:
        with pytest.raises(LocalProtocolError):
            encode_message([])

    @pytest.mark.parametrize(
        "wire", ["", "00", "0002 41", "02 00000000000000", "010141", "0101410001"]
    )
    def test_must_be_whole(self, wire: str) -> None:
        with pytest.raises(LocalProtocolError):
            split_message(bytes.fromhex(wire))

    def test_must_be_the_only_one(self) -> None:
        with pytest.raises(LocalProtocolError, match="2 bytes follow"):
            split_message(bytes.fromhex("0000 0000"))

    @pytest.mark.parametrize("wire", ["", "01", "0102 41"])
    def test_has_no_topic_if_it_is_cut(self, wire: str) -> None:
        with pytest.raises(LocalProtocolError):
            first_frame(bytes.fromhex(wire))


class TestReader:
    def test_reads_every_legal_form(self) -> None:
        wire = (
            short_frame(b"A", MORE)
            + long_frame(b"B")
            + short_frame(b"C", COMMAND)
            + long_frame(b"D" * 300, COMMAND | MORE)
            + short_frame(b"E", 0xF9)  # reserved bits
        )
        expected = [
            (MORE, b"A"),
            (LONG, b"B"),
            (COMMAND, b"C"),
            (LONG | COMMAND | MORE, b"D" * 300),
            (MORE, b"E"),
        ]
        assert frames_of(FrameReader(1000), wire) == expected
        reader = FrameReader(1000)
        by_byte = [frame for byte in each_byte(wire) for frame in frames_of(reader, byte)]
        assert by_byte == expected

    def test_starts_where_it_is_told(self) -> None:
        reader = FrameReader(10)
        reader.feed(b"xyz\x00\x01A", 3)
        assert next(reader.frames(), None) == (0, b"A")

    def test_takes_bytes_before_the_frames_were_taken(self) -> None:
        reader = FrameReader(10)
        reader.feed(b"\x00\x01A\x00")
        reader.feed(b"..\x01B", 2)
        assert reader.kept_bytes == 6
        assert frames_of(reader, b"") == [(0, b"A"), (0, b"B")]

    def test_bodies_are_bytes(self) -> None:
        reader = FrameReader(10)
        assert frames_of(reader, b"\x00\x02A") == []
        assert [type(body) for _, body in frames_of(reader, b"B\x00\x01C")] == [bytes, bytes]

    @pytest.mark.parametrize("size", [10, 11])
    @pytest.mark.parametrize("build", [short_frame, long_frame])
    def test_limit(self, size: int, build: object) -> None:
        assert callable(build)
        reader = FrameReader(10)
        reader.feed(build(b"x" * size))
        if size == 10:
            assert next(reader.frames(), None) is not None
        else:
            with pytest.raises(RemoteProtocolError, match="11 bytes, the limit is 10"):
                next(reader.frames(), None)

    def test_refuses_a_large_frame_at_its_header(self) -> None:
        reader = FrameReader(1000)
        reader.feed(bytes.fromhex("02 00000000000003e9"))
        with pytest.raises(RemoteProtocolError):
            next(reader.frames(), None)

    @pytest.mark.parametrize("flags", [0, MORE])
    @pytest.mark.parametrize("build", [short_frame, long_frame])
    def test_skips_a_large_message_without_holding_it(self, build: object, flags: int) -> None:
        assert callable(build)
        wire = build(b"x" * 200, flags) + short_frame(b"next")
        reader = FrameReader(10)
        reader.skip_but = b"\x00\x01"
        assert frames_of(reader, wire) == [(0, b"next")]
        found = []
        for byte in each_byte(wire):
            found += frames_of(reader, byte)
            assert reader.kept_bytes <= 9
        assert found == [(0, b"next")]

    def test_skips_the_largest_message_there_can_be(self) -> None:
        reader = FrameReader(10)
        reader.skip_but = b""
        reader.feed(b"\x02" + (2**63 - 1).to_bytes(8, "big"))
        for _ in range(3):
            assert frames_of(reader, b"x" * 1000) == []
            assert reader.kept_bytes == 0
        reader = FrameReader(10)
        reader.skip_but = b""

    @pytest.mark.parametrize("skip_but", [None, b""])
    def test_a_size_that_no_frame_has_is_nonsense_and_not_too_much(
        self, skip_but: bytes | None
    ) -> None:
        reader = FrameReader(10)
        reader.skip_but = skip_but
        reader.feed(b"\x02" + (2**63).to_bytes(8, "big"))
        with pytest.raises(RemoteProtocolError, match="the most") as caught:
            next(reader.frames(), None)
        assert not isinstance(caught.value, OverLimitError)

    @pytest.mark.parametrize("first", [b"\x00", b"\x01"])
    def test_what_is_not_to_be_skipped_is_refused_at_its_first_byte(self, first: bytes) -> None:
        reader = FrameReader(10)
        reader.skip_but = b"\x00\x01"
        assert frames_of(reader, b"\x02" + (11).to_bytes(8, "big")) == []
        reader.feed(first)
        with pytest.raises(RemoteProtocolError, match="11 bytes, the limit is 10"):
            next(reader.frames(), None)

    def test_a_large_command_is_not_skipped_where_there_are_commands(self) -> None:
        for repair in (False, True):
            reader = FrameReader(10, repair=repair)
            reader.skip_but = b"\x00\x01"
            reader.feed(b"\x06" + (11).to_bytes(8, "big"))
            if repair:
                with pytest.raises(RemoteProtocolError, match="11 bytes, the limit is 10"):
                    next(reader.frames(), None)
            else:
                assert frames_of(reader, b"x" * 11 + b"\x00\x01A") == [(0, b"A")]

    def test_does_not_hold_a_chunk_that_was_read(self) -> None:
        reader = FrameReader(1000)
        chunk = short_frame(b"x" * 200) * 100
        assert len(frames_of(reader, chunk + b"\x00")) == 100
        assert reader.kept_bytes == 1
        assert isinstance(reader._buffer, bytearray)  # a copy of the rest, not a view of the chunk
        assert len(reader._buffer) == 1
        assert frames_of(reader, b"\x00") == [(0, b"")]
        assert reader._buffer == b""


class TestLostLongBit:
    """libzmq 4.3.3 and 4.3.4, issue 4367."""

    @pytest.mark.parametrize("size", range(246, 256))
    def test_subscribe(self, size: int) -> None:
        self.check(b"\x09SUBSCRIBE" + b"t" * size)

    @pytest.mark.parametrize("size", range(249, 256))
    def test_cancel(self, size: int) -> None:
        self.check(b"\x06CANCEL" + b"t" * size)

    def check(self, body: bytes) -> None:
        wire = lost_long_bit(body, COMMAND) + short_frame(b"next")
        expected = [(COMMAND, body), (0, b"next")]
        assert frames_of(FrameReader(1000, repair=True), wire) == expected
        reader = FrameReader(1000, repair=True)
        by_byte = [frame for byte in each_byte(wire) for frame in frames_of(reader, byte)]
        assert by_byte == expected

    @pytest.mark.parametrize(
        "body",
        [
            b"\x09SUBSCRIBE" + b"t" * 245,  # not a size that the bug has
            b"\x09SUBSCRIBE" + b"t" * 256,
            b"\x06CANCEL" + b"t" * 256,
            b"\x09SUBSCRIBF" + b"t" * 250,
        ],
    )
    def test_nothing_else_is_repaired(self, body: bytes) -> None:
        assert lost_long_size(lost_long_bit(body, COMMAND)) == 0

    def test_an_empty_command_is_one_as_soon_as_that_is_sure(self) -> None:
        reader = FrameReader(1000, repair=True)
        assert frames_of(reader, b"\x04\x00") == []  # it may still be either
        assert frames_of(reader, b"\x00\x01A") == [(COMMAND, b""), (0, b"A")]

    def test_is_off_where_it_is_not_asked_for(self) -> None:
        wire = lost_long_bit(b"\x09SUBSCRIBE" + b"t" * 250, COMMAND)
        assert frames_of(FrameReader(1000), wire)[0] == (COMMAND, b"")

    def test_a_repaired_frame_has_a_limit_too(self) -> None:
        reader = FrameReader(255, repair=True)
        reader.feed(lost_long_bit(b"\x09SUBSCRIBE" + b"t" * 246, COMMAND))
        with pytest.raises(RemoteProtocolError):
            next(reader.frames(), None)

    def test_messages_are_not_repaired_because_they_may_be_meant(self) -> None:
        """`00 00` three times and `00 01 00` are empty messages and a cancel: a legal stream."""
        wire = lost_long_bit(b"\x01" + b"t" * 255, 0)
        frames = frames_of(FrameReader(1000, repair=True), wire)
        assert frames[:4] == [(0, b""), (0, b""), (0, b""), (0, b"\x00")]
