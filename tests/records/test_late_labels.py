"""Outcomes from posts, a file or a table: the same rows, only what had been seen, the latest per request."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
import sqlalchemy

from interlock.errors import SourceError
from interlock.records.compaction import compact
from interlock.records.lake import lake_from
from interlock.records.late_labels import labels_seen
from interlock.records.segments import SegmentWriter
from interlock.settings import Settings
from interlock.spec.load import find_use_case
from interlock.spec.model import Labels
from interlock.spec.usecase import UseCase

LATER = datetime(2024, 6, 1, tzinfo=UTC)
ROWS = [("a", "1", "2024-03-01T00:00:00Z"), ("a", "0", "2024-03-02T00:00:00Z"), ("b", "1", "2024-07-01T00:00:00Z"),
        ("c", "maybe", "2024-03-01T00:00:00Z"), ("d", "1", "soon")]


def use_case(settings: Settings, **labels: Any) -> UseCase:
    return find_use_case(settings, "loan_approvals")[1].model_copy(update={"labels": Labels(**labels)})


def seen(settings: Settings, own: UseCase, as_of: datetime = LATER) -> list[tuple[str, float]]:
    return labels_seen(settings, own, as_of).sort("_request_id").select("_request_id", "_label").rows()


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text("id,label,label_seen_time\n" + "\n".join(",".join(row) for row in ROWS) + "\n")
    return path


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path / 'labels.db'}"
    monkeypatch.setenv("LABELS_URL", url)
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("create table outcomes (id text, label text, label_seen_time text)")
        connection.exec_driver_sql("insert into outcomes values (?, ?, ?)", ROWS)
    engine.dispose()
    return "outcomes"


def post(settings: Settings, own: UseCase, *rows: tuple[str, float, int]) -> None:
    segment = SegmentWriter(settings.folder("capture") / own.name / "w0-1.seg")
    body = [{"_request_id": key, "_label": value, "_label_seen_time": datetime(2024, 3, day, tzinfo=UTC),
             "_received_at": datetime(2024, 3, day, tzinfo=UTC)} for key, value, day in rows]
    segment.append([msgspec.msgpack.encode({"kind": "labels", "rows": body})])
    segment.close()
    compact(settings, lake_from(settings))


def test_without_any_the_columns_are_there(settings: Settings) -> None:
    frame = labels_seen(settings, use_case(settings), LATER)
    assert frame.schema == {"_request_id": pl.String, "_label": pl.Float64, "_label_seen_time": pl.Datetime("us", "UTC")}


def test_posted_labels_count_once_seen(settings: Settings) -> None:
    own = use_case(settings)
    post(settings, own, ("a", 1.0, 1), ("b", 0.0, 9))
    assert seen(settings, own, datetime(2024, 3, 5, tzinfo=UTC)) == [("a", 1.0)]
    assert seen(settings, own) == [("a", 1.0), ("b", 0.0)]


def test_what_was_known_at_a_moment_counts_then_however_late_it_was_delivered(settings: Settings) -> None:
    own = use_case(settings)
    post(settings, own, ("a", 1.0, 9), ("a", 0.0, 5), ("a", 1.0, 3))  # the newest was told first
    moments = [datetime(2024, 3, day, tzinfo=UTC) for day in (4, 6, 10)]
    assert [seen(settings, own, moment) for moment in moments] == [[("a", 1.0)], [("a", 0.0)], [("a", 1.0)]]


def test_a_file_gives_the_latest_readable_label_seen_by_then(settings: Settings, csv: Path) -> None:
    assert seen(settings, use_case(settings, source="file", path=str(csv))) == [("a", 0.0)]


def test_a_table_gives_the_same(settings: Settings, table: str) -> None:
    assert seen(settings, use_case(settings, source="sql", url_env="LABELS_URL", table=table)) == [("a", 0.0)]


def test_parquet_with_typed_times_gives_the_same(settings: Settings, csv: Path, tmp_path: Path) -> None:
    typed = pl.read_csv(csv, infer_schema=False).with_columns(pl.col("label_seen_time").str.to_datetime(time_zone="UTC", strict=False))
    typed.write_parquet(tmp_path / "labels.parquet")
    assert seen(settings, use_case(settings, source="file", path=str(tmp_path / "labels.parquet"))) == [("a", 0.0)]


def test_posts_and_file_are_put_together(settings: Settings, csv: Path) -> None:
    own = use_case(settings, source="file", path=str(csv))
    post(settings, own, ("e", 1.0, 1), ("a", 1.0, 3))
    assert seen(settings, own) == [("a", 1.0), ("e", 1.0)], "the post about a is the later one"


@pytest.mark.parametrize(("labels", "what"), [
    ({"source": "file", "path": "none.csv"}, "cannot be read"),
    ({"source": "sql", "url_env": "UNSET_URL", "table": "t"}, "no database"),
    ({"source": "sql", "url_env": "LABELS_URL", "table": "nowhere"}, "cannot be read"),
])
def test_a_source_that_cannot_be_read_says_so(settings: Settings, table: str, labels: dict[str, str], what: str) -> None:
    with pytest.raises(SourceError, match=what):
        labels_seen(settings, use_case(settings, **labels), LATER)


def test_a_file_without_the_columns_names_them(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("key,label\na,1\n")
    with pytest.raises(SourceError, match="id, label_seen_time"):
        labels_seen(settings, use_case(settings, source="file", path=str(tmp_path / "labels.csv")), LATER)
