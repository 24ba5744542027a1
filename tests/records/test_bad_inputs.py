"""Bad inputs: a clear error that changes nothing, or quarantine with the values kept. Never a silent loss."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from interlock.errors import DataError, SourceError
from interlock.records.ingest import ingest
from interlock.records.snapshots import latest_snapshot, load_snapshot, quarantined_rows
from interlock.records.store import Store
from interlock.settings import Settings

HEADER = "id,at,age,city,pay,y\n"
GOOD = "".join(f"{number},2024-01-0{1 + number % 9},{30 + number},Graz,{number},{'yes' if number % 2 else 'no'}\n" for number in range(12))


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    return tmp_path / "tiny.csv"


def refuse(settings: Settings, store: Store, use_case: Any, text: str) -> str:
    """The error's text; nothing was recorded."""
    with pytest.raises((SourceError, DataError)) as raised:
        ingest(settings, store, use_case)
    assert text in str(raised.value)
    assert latest_snapshot(store, use_case.name) is None
    return str(raised.value)


def test_a_missing_file(settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    refuse(settings, store, make_use_case(csv), "there is no source file")


@pytest.mark.parametrize("content", ["", HEADER, HEADER + "\n\n"])
def test_an_empty_file(settings: Settings, store: Store, csv: Path, make_use_case: Any, content: str) -> None:
    csv.write_text(content)
    refuse(settings, store, make_use_case(csv), "is empty" if not content else "has no rows")


def test_a_wrong_separator_is_told_with_the_right_one(settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    csv.write_text((HEADER + GOOD).replace(",", ";"))
    assert "separator = ';'" in refuse(settings, store, make_use_case(csv), "separator looks wrong")


def test_a_renamed_column_is_told_with_its_likely_name(settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    csv.write_text(HEADER.replace("age", "ages") + GOOD)
    assert "did you mean 'ages'?" in refuse(settings, store, make_use_case(csv), "'age' is missing")


def test_columns_in_another_order_are_the_same_columns(settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    csv.write_text("y,pay,city,age,at,id\nyes,1.5,Graz,33,2024-01-01,7\n")
    frame = load_snapshot(settings, store, ingest(settings, store, make_use_case(csv)).snapshot_digest)
    assert frame.select("id", "age", "pay", "y").row(0) == (7, 33, 1.5, "yes")


def test_a_column_that_is_empty_throughout_is_said(settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    csv.write_text(HEADER + GOOD.replace("Graz", ""))
    result = ingest(settings, store, make_use_case(csv))
    assert (result.rows_total, result.quarantined) == (12, 0)
    assert "column 'city' is empty in all 12 rows" in result.warnings


def test_a_required_column_that_is_empty_throughout_refuses_every_row_and_keeps_them(
        settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    csv.write_text(HEADER + "".join(f"{number},2024-01-01,,Graz,1,yes\n" for number in range(12)))
    use_case = make_use_case(csv)
    refuse(settings, store, use_case, "all 12 rows were refused")
    refuse(settings, store, use_case, "missing:age: 12")  # and again: they are not taken in twice
    assert quarantined_rows(settings, store, "tiny", 100).height == 12


def test_one_class_only_and_few_rows_are_said(settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    csv.write_text(HEADER + "".join(f"{number},2024-01-01,30,Graz,1,yes\n" for number in range(10)))
    warnings = ingest(settings, store, make_use_case(csv)).warnings
    assert warnings == ["all labels are the same (1.0): nothing can be learned from one class", "10 labelled rows; training needs 200"]


def test_a_cell_of_a_megabyte_is_refused_and_kept(settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    csv.write_text(HEADER + GOOD + f"99,2024-01-01,30,{'x' * 1_000_000},1,yes\n")
    result = ingest(settings, store, make_use_case(csv))
    assert (result.rows_total, result.reasons) == (12, {"too_long:city": 1})
    assert len(quarantined_rows(settings, store, "tiny", 10)["city"][0]) == 1_000_000


def test_bytes_that_are_not_utf8_refuse_their_row_and_are_kept_readable(
        settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    csv.write_bytes((HEADER + GOOD).encode() + b"99,2024-01-01,30,K\xf6ln \\x,1,yes\n")
    result = ingest(settings, store, make_use_case(csv))
    assert (result.rows_total, result.reasons) == (12, {"encoding": 1})
    assert "K\ufffd\\xf6ln \\x" in quarantined_rows(settings, store, "tiny", 10)["_raw"][0]


def test_latin_1_is_read_where_the_source_says_so(settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    csv.write_bytes(HEADER.encode() + b"99,2024-01-01,30,K\xf6ln,1,yes\n")
    use_case = make_use_case(csv, source={"kind": "files", "files": [{"path": str(csv)}], "encoding": "latin-1"})
    assert load_snapshot(settings, store, ingest(settings, store, use_case).snapshot_digest)["city"][0] == "Köln"


def test_utf16_and_a_byte_order_mark(settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    csv.write_bytes((HEADER + GOOD).encode("utf-16"))
    refuse(settings, store, make_use_case(csv), "is UTF-16")
    csv.write_bytes((HEADER + GOOD).encode("utf-8-sig"))
    assert ingest(settings, store, make_use_case(csv)).rows_total == 12


def test_a_negative_age(settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    csv.write_text(HEADER + GOOD + "99,2024-01-01,-1,Graz,1,yes\n")
    assert ingest(settings, store, make_use_case(csv)).reasons == {"min:age": 1}
    assert quarantined_rows(settings, store, "tiny", 10)["age"].to_list() == ["-1"]


def test_records_with_too_few_or_too_many_fields_are_refused_whole(settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    csv.write_text(HEADER + GOOD + "20,2024-01-01,30\n\n21,2024-01-01,30,Graz,1,yes,more,and more\n" + '22,2024-01-01,30,"a, b",1,yes\n')
    result = ingest(settings, store, make_use_case(csv))
    assert (result.rows_total, result.reasons) == (13, {"fields:3_instead_of_6": 1, "fields:8_instead_of_6": 1})
    refused = quarantined_rows(settings, store, "tiny", 10)
    assert refused["_raw"].to_list() == ["20,2024-01-01,30", "21,2024-01-01,30,Graz,1,yes,more,and more"]
    assert load_snapshot(settings, store, result.snapshot_digest).filter(pl.col("id") == 22)["city"].to_list() == ["a, b"]


def test_a_short_record_that_a_quoted_separator_makes_up_for_is_still_seen(
        settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    csv.write_text(HEADER + '1,2024-01-01,30,"a,b",1,yes\n2,2024-01-01,30,Graz,1\n')  # 5 + 1 + 4 separators, as two whole records have
    result = ingest(settings, store, make_use_case(csv))
    assert (result.rows_total, result.reasons) == (1, {"fields:5_instead_of_6": 1})


def test_line_ends_and_line_breaks_inside_quotes(settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    csv.write_bytes((HEADER + GOOD).replace("\n", "\r\n").encode() + b'99,2024-01-01,30,"two\nlines",1,yes\r\n')
    result = ingest(settings, store, make_use_case(csv))
    assert (result.rows_total, result.quarantined) == (13, 0)
    assert "two\nlines" in load_snapshot(settings, store, result.snapshot_digest)["city"].to_list()


def test_damaged_and_double_archives(settings: Settings, store: Store, tmp_path: Path, make_use_case: Any) -> None:
    damaged = tmp_path / "t.csv.gz"
    damaged.write_bytes(gzip.compress((HEADER + GOOD).encode())[:-20])
    refuse(settings, store, make_use_case(damaged), "is damaged")
    double = tmp_path / "t.zip"
    with zipfile.ZipFile(double, "w") as archive:
        archive.writestr("a.csv", HEADER)
        archive.writestr("b.csv", HEADER)
    refuse(settings, store, make_use_case(double), "holds 2 files")


def test_a_package_that_is_not_installed_says_how_to_get_it(settings: Settings, store: Store, make_use_case: Any) -> None:
    refuse(settings, store, make_use_case(Path("package:no_such_package/x.csv")), "interlock-control[demo]")


def test_parquet_with_its_own_types(settings: Settings, store: Store, tmp_path: Path, make_use_case: Any) -> None:
    path = tmp_path / "t.parquet"
    frame = pl.DataFrame({"id": [1, 2], "at": ["2024-01-01", "2024-01-02"], "age": [30, -3], "city": [None, "Graz"], "pay": [0.1, 1e300],
                          "y": ["yes", "no"]}).with_columns(pl.col("at").str.to_datetime(time_zone="Europe/Vienna"))
    frame.write_parquet(path)
    result = ingest(settings, store, make_use_case(path, source={"kind": "files", "format": "parquet", "files": [{"path": str(path)}]}))
    row = load_snapshot(settings, store, result.snapshot_digest).row(0, named=True)
    assert (result.reasons, row["pay"], row["city"], str(row["_event_time"])) == ({"min:age": 1}, 0.1, None, "2023-12-31 23:00:00+00:00")
    path.write_bytes(b"no parquet")
    refuse_other = make_use_case(path, name="other", source={"kind": "files", "format": "parquet", "files": [{"path": str(path)}]})
    refuse(settings, store, refuse_other, "is not a Parquet file")


def test_headers_that_are_none(settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    use_case = make_use_case(csv)
    csv.write_text("\n" + GOOD)
    refuse(settings, store, use_case, "the first line is empty")
    csv.write_text("id,at,age,city,pay,pay,y\n" + GOOD)
    refuse(settings, store, use_case, "'pay' occurs twice")
    skipping = make_use_case(csv, source={"kind": "files", "files": [{"path": str(csv), "skip_rows": 99}]})
    refuse(settings, store, skipping, "fewer lines than skip_rows")


def test_a_header_after_skipped_lines_and_quotes_around_names(settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    csv.write_text("made by hand\n" + '"id","at","age","city","pay","y"\n' + GOOD)
    use_case = make_use_case(csv, source={"kind": "files", "files": [{"path": str(csv), "skip_rows": 1}]})
    assert ingest(settings, store, use_case).rows_total == 12
