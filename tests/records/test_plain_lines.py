"""Plain lines: what the reading itself proves is what counting line by line says; blocks end where they ended when they were copied."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as how
from hypothesis import strategies as st

from interlock.records import byte_blocks
from interlock.records.byte_blocks import ByteStream, RecordBlocks, opened
from interlock.records.judging import judge_block
from interlock.records.plain_lines import PlainLines, plain_lines
from interlock.records.quarantine import Origin, _row_ids, judge_rows
from interlock.records.sources import RawFile, RawRows, row_blocks

NAMES = ["a", "b", "c"]
KINDS: dict[str, Any] = {"a": pl.Int64(), "b": pl.Float64(), "c": pl.String()}
CELL = st.sampled_from(["", "1", "x", " ", "1.5"])
LINE = st.one_of(st.lists(CELL, min_size=3, max_size=3), st.lists(CELL, min_size=0, max_size=5)).map(",".join)


def as_read(block: PlainLines) -> tuple[list[int], list[tuple[Any, ...]]]:
    """The numbers of the rows, and the malformed records, when the block is read at once."""
    even, frame = block.read(KINDS)
    return frame["_row_number"].to_list(), even.malformed.rows()


def as_counted(lines: list[str]) -> tuple[list[int], list[tuple[Any, ...]]]:
    """The same, by splitting each line."""
    fields = [len(line.removesuffix("\r").split(",")) for line in lines]
    rows = [at for at, line in enumerate(lines, 1) if line.removesuffix("\r") and fields[at - 1] == 3]
    malformed = [(at, line.rstrip("\r\n"), f"fields:{fields[at - 1]}_instead_of_3")
                 for at, line in enumerate(lines, 1) if line.removesuffix("\r") and fields[at - 1] != 3]
    return rows, malformed


def block_of(lines: list[str]) -> PlainLines:
    block = plain_lines("".join(line + "\n" for line in lines).encode(), names=NAMES, order=NAMES, separator=",", first_number=1)
    assert block is not None
    return block


@how(max_examples=300, deadline=None)
@given(st.lists(LINE, min_size=1, max_size=8), st.sampled_from(["", "\r"]))
@example(["1,1,1", "1,1", "1,1,1,1"], "")
@example(["1,1,", "1,1", "1,1,,"], "\r")
@example(["1,1", "1,1,1,1"], "")
def test_the_reading_proves_what_counting_says(lines: list[str], end: str) -> None:
    lines = [line + end for line in lines]
    assert as_read(block_of(lines)) == as_counted(lines)


def a_short_line_beside_a_long_one_is_seen(far: int) -> None:
    """A line too short and one too long among so many good ones: the separators of the block add up."""
    lines = ["1,1.5,x"] * far + ["1,1.5"] + ["1,1.5,x"] * far + ["1,1.5,x,y"] + ["1,1.5,x"] * far
    assert as_read(block_of(lines))[1] == [(far + 1, "1,1.5", "fields:2_instead_of_3"), (2 * far + 2, "1,1.5,x,y", "fields:4_instead_of_3")]


@pytest.mark.parametrize("far", [1, 40_000])
def test_lines_that_only_add_up_are_told_apart(far: int) -> None:
    a_short_line_beside_a_long_one_is_seen(far)


def test_a_proof_by_the_sum_alone_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_sum(self: PlainLines, kinds: dict[str, Any]) -> pl.DataFrame | None:
        return pl.DataFrame({"a": [1] * len(self.ends), "b": 1.5, "c": "x"}) if self.counted else None

    monkeypatch.setattr(PlainLines, "_proven", by_sum)
    with pytest.raises(AssertionError):
        a_short_line_beside_a_long_one_is_seen(1)


def test_a_part_of_a_block_is_not_proven_by_the_sum_of_all() -> None:
    block = block_of(["1,1", "1,1,1,1", "1,1,1"]).beyond(1)
    assert as_read(block) == ([3], [(2, "1,1,1,1", "fields:4_instead_of_3")])


@how(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text("ab,\n\n\"", min_size=1, max_size=400), st.integers(1, 60), st.booleans())
def test_blocks_end_where_copied_ones_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, size: int, header: bool) -> None:
    monkeypatch.setattr(byte_blocks, "LINE_BYTES", 8)
    path = tmp_path / "t.csv"
    path.write_text(text.replace('"', "") if size % 2 else text)

    def blocks() -> list[tuple[bytes, bool]]:
        with opened(path, "t") as stream:
            made = RecordBlocks(stream, b'"', size)
            before = [(made.line(), True)] if header else []
            return before + list(iter(made.take, None))

    at_once = blocks()
    with monkeypatch.context() as slow:
        slow.setattr(ByteStream, "whole_lines", lambda self, size: 0)
        assert blocks() == at_once


@pytest.mark.parametrize("bounds", [{"min": -5.0, "max": 5.0}, {"min": -5.0}, {"max": 5.0}, {"missing": False}, {}])
def test_bounds_prove_what_they_say_of_missing_and_infinite_numbers(make_use_case: Any, tmp_path: Path, bounds: dict[str, Any]) -> None:
    pays = ["1", "", "nan", "inf", "-inf", "5.0", "5.1", "-5", "-6", "x", *["2"] * 30]
    path = tmp_path / "t.csv"
    path.write_text("id,at,age,city,pay,y\n" + "".join(f"{n},2024-01-01,3,Graz,{pay},yes\n" for n, pay in enumerate(pays)))
    case = make_use_case(path)
    case.columns["pay"] = case.columns["pay"].model_copy(update=bounds)
    [block] = row_blocks(RawFile(path, "t", "sha256:0", None, 0), case.source, list(case.columns))
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    bulk = judge_block(block, case, Origin("t", "abc"), now=moment)
    patient = judge_rows(RawRows(block.evened().text(), block.malformed), case, Origin("t", "abc"), now=moment)
    assert bulk.accepted.equals(patient.accepted)
    assert bulk.refused.equals(patient.refused)


def test_row_ids_have_nine_digits_and_more_where_they_must() -> None:
    few, many = pl.Series([1, 999_999_999], dtype=pl.UInt32), pl.Series([7, 1_000_000_000, 4_294_967_295], dtype=pl.UInt32)
    assert _row_ids(few, Origin("t", "abc")).to_list() == ["abc-000000001", "abc-999999999"]
    assert _row_ids(many, Origin("t", "abc")).to_list() == ["abc-000000007", "abc-1000000000", "abc-4294967295"]
    assert _row_ids(few.clear(), Origin("t", "abc")).to_list() == []
