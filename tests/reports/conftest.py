"""Real data for the reports: UCI Adult with its official split, and one small model on it."""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

ADULT = ["age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship", "race", "sex",
         "capital-gain", "capital-loss", "hours-per-week", "native-country", "income"]
NUMBERS = ["age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week"]


@dataclass(frozen=True)
class Adult:
    """Official halves; `kinds` of the 12 features (sex and race kept out)."""

    train: pl.DataFrame
    test: pl.DataFrame
    kinds: dict[str, str]

    def labels(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        return frame["income"].str.starts_with(">50K").cast(pl.Float64).to_numpy()

    def matrix(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        columns = []
        for name, kind in self.kinds.items():
            known = {value: float(code) for code, value in enumerate(self.train[name].drop_nulls().unique().sort().to_list())}
            column = frame[name] if kind == "numeric" else frame[name].replace_strict(known, default=None, return_dtype=pl.Float64)
            columns.append(column.cast(pl.Float64).fill_null(float("nan")).to_numpy())
        return np.column_stack(columns)

    @property
    def types(self) -> list[str]:
        return ["q" if kind == "numeric" else "c" for kind in self.kinds.values()]


@dataclass(frozen=True)
class Scored:
    """A booster of 60 trees with its official test rows."""

    booster: object
    matrix: object
    y: NDArray[np.float64]
    score: NDArray[np.float64]
    prior: NDArray[np.float64]


@pytest.fixture(scope="session")
def adult(data_dir: Path) -> Adult:
    halves = [_read(data_dir / name, skip) for name, skip in (("adult.data.gz", 0), ("adult.test.gz", 1))]
    kinds = {name: "numeric" if name in NUMBERS else "category" for name in ADULT if name not in ("income", "sex", "race")}
    return Adult(halves[0], halves[1], kinds)


@pytest.fixture(scope="session")
def scored(adult: Adult) -> Scored:
    import xgboost

    options = {"feature_types": adult.types, "enable_categorical": True, "nthread": 2}
    y = adult.labels(adult.train)
    train = xgboost.DMatrix(adult.matrix(adult.train), label=y, **options)
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 4, "eta": 0.2, "nthread": 2, "seed": 1}, train, 60)
    matrix = xgboost.DMatrix(adult.matrix(adult.test), **options)
    tested = adult.labels(adult.test)
    return Scored(booster, matrix, tested, booster.predict(matrix).astype(np.float64), np.full(tested.size, y.mean()))


def _read(path: Path, skip: int) -> pl.DataFrame:
    frame = pl.read_csv(io.BytesIO(gzip.decompress(path.read_bytes())), has_header=False, new_columns=ADULT, skip_rows=skip,
                        infer_schema=False)
    frame = frame.with_columns(pl.all().str.strip_chars()).filter(pl.col("income").is_not_null())
    return frame.with_columns(pl.col(NUMBERS).cast(pl.Float64), pl.all().exclude(NUMBERS).replace("?", None))
