"""Capture segments: what was synced is read back, torn tails are tolerated, damage is stepped over and named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.records.segments import HEAD_BYTES, MARK, Damage, Frame, SegmentWriter, in_use, read_frames


def written(path: Path, *payloads: bytes) -> Path:
    writer = SegmentWriter(path)
    writer.append(payloads)
    writer.sync()
    writer.close()
    return path


def payloads_of(path: Path, start: int = 0) -> list[bytes]:
    return [item.payload for item in read_frames(path, start) if isinstance(item, Frame)]


def test_frames_come_back_in_order(tmp_path: Path) -> None:
    path = written(tmp_path / "a.seg", b"one", b"two", b"three")
    frames = list(read_frames(path))
    assert [frame.payload for frame in frames if isinstance(frame, Frame)] == [b"one", b"two", b"three"]
    assert frames[0].start == HEAD_BYTES == 12
    assert frames[0].end == 12 + 12 + 3  # header, frame head, payload
    assert frames[-1].end == path.stat().st_size


def test_reading_goes_on_where_it_ended(tmp_path: Path) -> None:
    path = written(tmp_path / "a.seg", b"one", b"two")
    first = next(read_frames(path))
    assert payloads_of(path, first.end) == [b"two"]


@pytest.mark.parametrize("cut", range(1, 16))
def test_a_torn_tail_loses_only_the_torn_frame(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path / "a.seg", b"one", b"two", b"last")
    os.truncate(path, path.stat().st_size - cut)
    assert list(payloads_of(path)) == [b"one", b"two"]


def test_zeros_after_a_power_cut_are_a_torn_tail(tmp_path: Path) -> None:
    path = written(tmp_path / "a.seg", b"one")
    with path.open("ab") as file:
        file.write(bytes(4096))
    assert list(read_frames(path)) == [Frame(12, 27, b"one")]


def test_damage_in_the_middle_is_named_and_stepped_over(tmp_path: Path) -> None:
    path = written(tmp_path / "a.seg", b"one", b"two", b"three")
    data = bytearray(path.read_bytes())
    data[12 + 15 + 12] ^= 1  # first payload byte of the second frame
    path.write_bytes(bytes(data))
    assert list(read_frames(path)) == [Frame(12, 27, b"one"), Damage(27, 42), Frame(42, 59, b"three")]


@given(bit=st.integers(0, 8 * 47 - 1))
@settings(max_examples=60, deadline=None)
def test_no_flipped_bit_is_ever_read_as_data(tmp_path_factory: pytest.TempPathFactory, bit: int) -> None:
    path = written(tmp_path_factory.mktemp("bits") / "a.seg", b"one", b"two", b"three")
    data = bytearray(path.read_bytes())
    data[12 + bit // 8] ^= 1 << bit % 8
    path.write_bytes(bytes(data))
    assert len(payloads_of(path)) == 2
    assert set(payloads_of(path)) < {b"one", b"two", b"three"}


def test_a_payload_that_looks_like_a_frame_is_not_one(tmp_path: Path) -> None:
    inner = written(tmp_path / "inner.seg", b"forged").read_bytes()[HEAD_BYTES:]
    path = written(tmp_path / "a.seg", b"x" + inner, b"after")
    data = bytearray(path.read_bytes())
    data[12 + 12] ^= 1  # damage the outer frame: the reader now looks inside
    path.write_bytes(bytes(data))
    assert MARK in inner
    assert payloads_of(path) == [b"after"]


def test_a_failing_write_leaves_whole_frames_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = SegmentWriter(tmp_path / "a.seg")
    writer.append([b"good"])
    real, calls = os.write, []

    def half_then_full_disk(handle: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) == 1:
            return real(handle, bytes(data)[:5])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", half_then_full_disk)
    with pytest.raises(OSError, match="No space"):
        writer.append([b"lost"])
    monkeypatch.undo()
    writer.append([b"later"])
    writer.close()
    assert list(read_frames(tmp_path / "a.seg")) == [Frame(12, 28, b"good"), Frame(28, 45, b"later")]


def test_a_file_is_never_written_twice(tmp_path: Path) -> None:
    path = written(tmp_path / "a.seg", b"one")
    with pytest.raises(FileExistsError):
        SegmentWriter(path)
    assert payloads_of(path) == [b"one"]


def test_the_lock_tells_a_living_writer(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path / "a.seg")
    assert in_use(writer.path)
    writer.close()
    assert not in_use(writer.path)


def test_a_strange_file_holds_no_frames(tmp_path: Path) -> None:
    (tmp_path / "a.seg").write_bytes(b"something else entirely")
    assert list(read_frames(tmp_path / "a.seg")) == []
