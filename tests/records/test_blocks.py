"""Reading and judging block by block gives what reading and judging at once gives, wherever a block ends."""

from __future__ import annotations

import csv
import gzip
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from interlock.errors import SourceError
from interlock.records import byte_blocks
from interlock.records.byte_blocks import RecordBlocks, opened, whole_records
from interlock.records.judging import judge_block
from interlock.records.plain_lines import PlainLines
from interlock.records.quarantine import Origin, judge_rows
from interlock.records.sources import RawFile, RawRows, read_rows, row_blocks
from interlock.records.uniqueness import Seen

COLUMNS = ["id", "at", "age", "city", "pay", "y"]
HEADER = ",".join(COLUMNS) + "\n"
CELL = st.sampled_from(["", "0", "1", "-1", "121", "30", "30.0", " 5", "+7", "x", "nan", "inf", "1e400", "1e3", ".5", "5.", "-999", "yes",
                        "no", "2024-01-01", "2024-01-01T10:00:00Z", "2024-01-01T10:00:00.5Z", "9" * 30, "0x1A", "1_000", "ö"])
NOW = datetime(2024, 1, 1, tzinfo=UTC)


def raw_file(path: Path) -> RawFile:
    return RawFile(path, path.name, "sha256:0", None, 0)


def small_blocks(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(RecordBlocks.__init__, "__defaults__", (size,))


@how(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(CELL, min_size=6, max_size=6), min_size=1, max_size=14), st.integers(1, 200))
def test_bulk_and_patient_judging_agree(make_use_case: Any, tmp_path: Path, rows: list[list[str]], size: int) -> None:
    path = tmp_path / "t.csv"
    path.write_text(HEADER + "".join(",".join(row) + "\n" for row in rows))
    case = make_use_case(path, source={"kind": "files", "files": [{"path": str(path)}], "missing": ["", "-999"]})
    [block] = row_blocks(raw_file(path), case.source, COLUMNS)
    assert isinstance(block, PlainLines)
    bulk = judge_block(block, case, Origin("t", "abc"), now=NOW)
    block = block.evened()
    patient = judge_rows(RawRows(block.text(), block.malformed), case, Origin("t", "abc"), now=NOW)
    assert bulk.accepted.equals(patient.accepted)
    assert bulk.refused.equals(patient.refused)


def test_many_blocks_give_the_rows_of_one(make_use_case: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f'{n},2024-01-01,{n % 90},{"Graz" if n % 7 else chr(34) + "two" + chr(10) + "lines, x" + chr(34)},1.5,yes' for n in range(300)]
    lines[40], lines[41], lines[120] = "40,short", "", "120,2024-01-01,3,a,1,yes,long"
    path = tmp_path / "t.csv"
    path.write_text(HEADER + "\n".join(lines))
    case = make_use_case(path)
    whole = read_rows(raw_file(path), case.source, COLUMNS)
    expected = list(csv.reader(io.StringIO("\n".join(lines))))
    assert whole.frame["_row_number"].to_list() == [n + 1 for n, row in enumerate(expected) if len(row) == 6]
    assert whole.frame.rows()[50][1:] == tuple(expected[52])  # 40 is malformed, 41 blank
    for size in (50, 333, 4_000):
        small_blocks(monkeypatch, size)
        parts = read_rows(raw_file(path), case.source, COLUMNS)
        assert parts.frame.equals(whole.frame)
        assert parts.malformed.equals(whole.malformed)
        assert parts.last_number == whole.last_number == 300


def test_a_stray_quote_tears_no_record(make_use_case: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f'{n},2024-01-01,{n % 90},{"5" + chr(34) + " pipe" if n == 20 else "Graz"},1.5,yes\n' for n in range(100))
    path = tmp_path / "t.csv"
    path.write_text(HEADER + text)
    small_blocks(monkeypatch, 200)
    rows = read_rows(raw_file(path), make_use_case(path).source, COLUMNS)
    assert (rows.frame.height, rows.malformed.height, rows.frame["city"][20]) == (100, 0, '5" pipe')


def test_line_ends_of_windows_are_no_part_of_the_last_cell(make_use_case: Any, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes((HEADER + "1,2024-01-01,3,a,1.5,yes\n2,2024-01-01,3,a,1.5,no\n").replace("\n", "\r\n").encode())
    case = make_use_case(path)
    [block] = row_blocks(raw_file(path), case.source, COLUMNS)
    assert judge_block(block, case, Origin("t", "abc"), now=NOW).accepted["y"].to_list() == ["yes", "no"]


def test_a_quote_that_never_closes_is_told_before_memory_ends(make_use_case: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.csv"
    path.write_text(HEADER + '1,2024-01-01,3,"open,1,yes' + "x" * 5_000)
    small_blocks(monkeypatch, 64)
    monkeypatch.setattr(byte_blocks, "RECORD_BYTES_MAX", 1_000)
    with pytest.raises(SourceError, match="never closed"):
        read_rows(raw_file(path), make_use_case(path).source, COLUMNS)


def test_a_file_that_changes_while_it_is_read_is_refused(make_use_case: Any, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(HEADER + "1,2024-01-01,3,a,1.5,yes\n")
    blocks = row_blocks(raw_file(path), make_use_case(path).source, COLUMNS)
    next(blocks)
    path.write_text(HEADER + "1,2024-01-01,3,a,1.5,yes\n2,2024-01-01,3,a,1.5,yes\n")
    with pytest.raises(SourceError, match="changed while it was read"):
        next(blocks)


def test_a_packed_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"0" * 100_000))
    monkeypatch.setattr(byte_blocks, "UNPACKED_BYTES_MAX", 50_000)
    with opened(path, "t") as stream, pytest.raises(SourceError, match="too large"):
        list(iter(lambda: stream.read(10_000), b""))


@pytest.mark.parametrize(("data", "end"), [(b"a\nb\nc", 4), (b'"a\nb\nc', 0), (b'"a\nb"\nc', 6), (b"abc", 0), (b'x\n"a\nb\n', 2)])
def test_a_block_ends_outside_of_quotes(data: bytes, end: int) -> None:
    assert whole_records(data, b'"') == end


@pytest.mark.parametrize("words", [False, True])
@pytest.mark.parametrize("memory", [10, 1_000_000])
def test_uniqueness_is_exact_in_memory_and_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: bool, memory: int) -> None:
    monkeypatch.setattr("interlock.records.uniqueness.KEYS_IN_MEMORY", memory)
    monkeypatch.setattr("interlock.records.uniqueness.KEYS_PER_READ", 8)
    numbers = pl.Series("id", [(7 * n) % 401 for n in range(600)])
    values = numbers.cast(pl.String) if words else numbers
    with Seen(tmp_path) as seen:
        for start in range(0, 600, 50):
            part = values[start:start + 50]
            before = set(values[:start].to_list())
            assert seen.known(part).to_list() == [value in before for value in part]
            seen.add(part)
        assert not seen.known(pl.Series("id", [None, None], dtype=values.dtype)).any()
    assert not list(tmp_path.iterdir())


def test_a_hash_that_only_looks_the_same_is_no_repetition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pl.Series, "hash", lambda self, seed=0: pl.Series([7] * len(self), dtype=pl.UInt64))
    with Seen(tmp_path) as seen:
        seen.add(pl.Series("id", ["a", "b"]))
        assert seen.known(pl.Series("id", ["c", "b", None])).to_list() == [False, True, False]
