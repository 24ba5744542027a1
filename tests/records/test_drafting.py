"""`interlock new`: the draft of real data passes `interlock check`, guesses what people would, and says why."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from interlock.errors import DataError, SourceError, UseCaseError
from interlock.records.drafting import draft_from
from interlock.records.ingest import ingest
from interlock.records.store import Store
from interlock.settings import Settings
from interlock.spec.load import load_use_case


def drafted(path: Path, to: Path) -> tuple[str, dict[str, Any]]:
    """The draft's text and tables, after it was loaded as every use-case file is."""
    text = draft_from("drafted", path)
    (to / "drafted.toml").write_text(text)
    load_use_case(to / "drafted.toml")
    return text, tomllib.loads(text)


def roles(draft: dict[str, Any], role: str) -> list[str]:
    return [name for name, column in draft["columns"].items() if column.get("role") == role]


def test_bank_marketing(data_dir: Path, tmp_path: Path) -> None:
    text, draft = drafted(data_dir / "bank-additional-full.csv.gz", tmp_path)
    assert draft["source"] | {"files": None} == {"kind": "files", "files": None, "separator": ";", "missing": ["", "unknown"]}
    assert (draft["prediction"]["task"], draft["prediction"]["target"], draft["prediction"]["positive"]) == ("binary", "y", ["yes"])
    assert roles(draft, "sensitive") == ["age", "marital"]
    assert draft["training"] == {"split": "seeded"}
    assert "alone it tells the target well (0.82): is it really known" in text.split("[columns.duration]")[1].split("[columns.")[0]


def test_bike_hours(data_dir: Path, tmp_path: Path) -> None:
    _, draft = drafted(data_dir / "bike-hour.csv.gz", tmp_path)
    assert (draft["prediction"]["task"], draft["prediction"]["target"], draft["time"]) == ("regression", "cnt", {"column": "dteday"})
    assert (roles(draft, "later"), roles(draft, "identifier")) == (["registered"], ["instant"])
    assert draft["columns"]["holiday"]["type"] == "boolean"


def test_credit_default_can_be_ingested_as_drafted(data_dir: Path, tmp_path: Path, settings: Settings, store: Store) -> None:
    _, draft = drafted(data_dir / "UCI_Credit_Card.csv.gz", tmp_path)
    assert roles(draft, "sensitive") == ["SEX", "MARRIAGE", "AGE"]
    assert draft["prediction"]["target"] == "default.payment.next.month"
    assert ingest(settings, store, load_use_case(tmp_path / "drafted.toml")).rows_total == 30_000


def test_several_classes_people_and_constant_columns(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("customer email,fixed,day,label\n" + "".join(
        f"p{n}@example.org,1,2024-01-{1 + n % 28:02d},{'abc'[n % 3]}\n" for n in range(60)))
    _, draft = drafted(path, tmp_path)
    assert (draft["prediction"]["task"], draft["prediction"]["classes"]) == ("multiclass", ["a", "b", "c"])
    assert (roles(draft, "subject"), draft["time"]["column"]) == (["customer email"], "day")
    assert (roles(draft, "ignore"), draft["features"]["calendar"]) == (["fixed", "day"], ["hour", "weekday"])  # nothing else is left


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pl.DataFrame({"x": [1.5, 2.0, 3.0], "y": ["yes", "no", "no"]}).write_parquet(path)
    _, draft = drafted(path, tmp_path)
    assert (draft["source"]["format"], draft["columns"]["x"]["type"], draft["prediction"]["positive"]) == ("parquet", "float", ["yes"])


def test_what_cannot_be_drafted_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    with pytest.raises(SourceError, match="no file"):
        draft_from("drafted", path)
    path.write_text("a\n1\n")
    with pytest.raises(DataError, match="1 rows and 1 columns"):
        draft_from("drafted", path)
    path.write_text("_a,b\n1,2\n3,4\n")
    with pytest.raises(SourceError, match="underscore"):
        draft_from("drafted", path)
    path.write_bytes(b"a,\xff\n1,2\n")
    with pytest.raises(SourceError, match="not UTF-8"):
        draft_from("drafted", path)
    with pytest.raises(UseCaseError, match="cannot be the name"):
        draft_from("No Good", path)
