"""What the untouched default configuration reaches on the Taiwan credit data: five folds, each tuned by the product itself."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from interlock.modeling.making import make_package
from interlock.spec.load import load_use_case
from interlock.spec.usecase import UseCase

USE_CASE = Path(__file__).resolve().parents[1] / "usecases" / "credit_default.toml"
FOLDS, SEED = 5, 2013
MOMENT = datetime(2005, 10, 1, tzinfo=UTC)


def frame_of(use_case: UseCase, data_dir: Path) -> pl.DataFrame:
    """All 30,000 rows as a snapshot holds them."""
    rows = pl.read_csv(data_dir / "UCI_Credit_Card.csv.gz")
    words = [name for name, column in use_case.columns.items() if column.type == "category"]
    moment = pl.lit(MOMENT).cast(pl.Datetime("us", "UTC"))
    return rows.with_columns(pl.col(words).cast(pl.String), _row_id=pl.col("ID").cast(pl.String), _event_time=moment, _seen_time=moment,
                             _label_seen_time=moment, _label=pl.col(use_case.prediction.target).cast(pl.Float64))


def measure(data_dir: Path, *, folds: int = FOLDS) -> dict[str, Any]:
    """AUC and log loss per fold (stratified, shuffled, seed 2013) and their means. Of the configuration only the split is given: the fold
    is the held-out part."""
    from sklearn.model_selection import StratifiedKFold

    use_case = load_use_case(USE_CASE)
    use_case = use_case.model_copy(update={"training": use_case.training.model_copy(update={"split": "official", "proposals": 0})})
    frame, found = frame_of(use_case, data_dir), []
    for _, judge in StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(np.zeros(frame.height), frame["_label"].to_numpy()):
        held = np.isin(np.arange(frame.height), judge, assume_unique=True)
        given = frame.with_columns(_split=pl.Series(np.where(held, "test", "train")))
        with tempfile.TemporaryDirectory() as root:
            made = make_package(Path(root), use_case, given, snapshot_digest="taiwan", spec_digest="default")
        found.append(made.package.manifest.baseline)
        if len(found) == folds:
            break
    return {"auc": float(np.mean([one["auc"] for one in found])), "log_loss": float(np.mean([one["log_loss"] for one in found])),
            "folds": found, "features": made.package.manifest.features.names}


if __name__ == "__main__":
    import json
    import sys

    print(json.dumps(measure(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data")), indent=2))
