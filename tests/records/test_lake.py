"""The local lake: one file per content, whole or not there, and never an altered byte as an answer."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from interlock.errors import DataError
from interlock.records.lake import LocalLake, read_frames, write_frame

DAY = date(2024, 5, 4)


@pytest.fixture
def lake(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake", "test")


def test_a_key_says_environment_use_case_kind_day_and_digest(lake: LocalLake) -> None:
    # sha256 of "abc": FIPS 180-2, appendix B.1.
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    key = lake.put("flights", "rows", DAY, b"abc")
    assert key == f"test/flights/rows/v1/date=2024-05-04/{digest}.parquet"
    assert lake.put("flights", "rows", DAY, b"abc") == key
    assert (lake.get(key), lake.exists(key), lake.keys("flights", "rows"), lake.size_bytes("flights", "rows")) == (b"abc", True, [key], 3)
    assert lake.keys("flights", "quarantine") == []


def test_deleting_twice_is_no_error(lake: LocalLake) -> None:
    key = lake.put("flights", "rows", DAY, b"abc")
    lake.delete(key)
    lake.delete(key)
    assert not lake.exists(key)


def test_an_altered_file_and_a_key_outside_are_refused(lake: LocalLake) -> None:
    key = lake.put("flights", "rows", DAY, b"abc")
    (lake.root / key).write_bytes(b"abd")
    with pytest.raises(DataError, match="altered"):
        lake.get(key)
    with pytest.raises(DataError, match="out of the lake"):
        lake.get("../../etc/passwd")
    with pytest.raises(DataError, match="paths do not"):
        lake.put("../x", "rows", DAY, b"abc")


def test_a_write_that_fails_leaves_nothing(lake: LocalLake, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("interlock.records.lake.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        lake.put("flights", "rows", DAY, b"abc")
    assert [path for path in lake.root.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(("every", "days"), [("1d", ["2024-01-30", "2024-01-31", "2024-02-01"]), ("1mo", ["2024-01-01", "2024-02-01"]),
                                             ("1y", ["2024-01-01"])])
def test_frames_are_cut_by_period_and_read_back_in_order(lake: LocalLake, every: str, days: list[str]) -> None:
    times = [datetime(2024, 1, 31, 5, tzinfo=UTC), datetime(2024, 1, 30, 6, tzinfo=UTC), datetime(2024, 1, 31, 4, tzinfo=UTC),
             datetime(2024, 2, 1, tzinfo=UTC)]
    frame = pl.DataFrame({"at": times, "n": [0, 1, 2, 3]})
    entries = write_frame(lake, "u", "rows", frame, "at", every)  # type: ignore[arg-type]
    assert [str(entry["key"]).split("date=")[1][:10] for entry in entries] == days
    again = read_frames(lake, [str(entry["key"]) for entry in entries])
    assert again.sort("n").equals(frame)
    assert [entry["key"] for entry in write_frame(lake, "u", "rows", frame, "at", every)] == [  # type: ignore[arg-type]
        entry["key"] for entry in entries]


def test_rows_without_a_day_are_kept_apart(lake: LocalLake) -> None:
    frame = pl.DataFrame({"at": [None], "n": [1]}, schema={"at": pl.Datetime("us", "UTC"), "n": pl.Int64})
    assert "date=1970-01-01" in str(write_frame(lake, "u", "quarantine", frame, "at")[0]["key"])


def test_no_keys_give_an_empty_frame(lake: LocalLake) -> None:
    assert read_frames(lake, []).is_empty()


@pytest.mark.parametrize("every", ["1d", "1mo", "1y"])
@pytest.mark.parametrize("ascending", [True, False])
def test_periods_are_those_of_each_row(lake: LocalLake, every: str, ascending: bool) -> None:
    times = [datetime(1968, 12, 31, 23, 59, tzinfo=UTC), datetime(1969, 7, 20, 1, tzinfo=UTC), None, datetime(1970, 1, 1, tzinfo=UTC),
             datetime(1970, 1, 1, 3, tzinfo=UTC), datetime(1970, 2, 3, tzinfo=UTC), datetime(2024, 2, 29, 23, tzinfo=UTC)]
    frame = pl.DataFrame({"at": times, "n": range(7)}, schema={"at": pl.Datetime("us", "UTC"), "n": pl.Int64})
    frame = frame if ascending else frame.reverse()
    entries = write_frame(lake, "u", "rows", frame, "at", every)  # type: ignore[arg-type]
    found = {str(entry["key"]).split("date=")[1][:10]: read_frames(lake, [str(entry["key"])])["n"].to_list() for entry in entries}
    expected: dict[str, list[int]] = {}
    for time, number in frame.rows():
        day = (time or datetime(1970, 1, 1)).strftime({"1d": "%Y-%m-%d", "1mo": "%Y-%m-01", "1y": "%Y-01-01"}[every])
        expected.setdefault(day, []).append(number)
    assert found == dict(sorted(expected.items()))
    assert list(found) == sorted(found)
