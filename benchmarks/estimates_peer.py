"""Run by another interpreter, which has NannyML: its estimates of chunks, from a folder of CSV files, as JSON on standard output."""

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")


def main() -> None:
    """Argument: folder with `reference.csv`, `analysis.csv` (`y`, `score`, `decided`, inputs) and `task.json`."""
    import nannyml
    import pandas

    folder = Path(sys.argv[1])
    task: dict[str, Any] = json.loads((folder / "task.json").read_text())
    reference, analysis = pandas.read_csv(folder / "reference.csv"), pandas.read_csv(folder / "analysis.csv")
    if task["kind"] == "binary":
        metrics = {"auc": "roc_auc", "accuracy": "accuracy", "f1": "f1"}
        estimator: Any = nannyml.CBPE(y_pred_proba="score", y_pred="decided", y_true="y", problem_type="classification_binary",
                                      metrics=list(metrics.values()), chunk_size=task["chunk"])
    else:
        metrics = {"mae": "mae", "rmse": "rmse"}
        estimator = nannyml.DLE(feature_column_names=task["inputs"], y_pred="score", y_true="y", metrics=list(metrics.values()),
                                chunk_size=task["chunk"], tune_hyperparameters=False)
    begin = time.perf_counter()
    estimator.fit(reference)
    told = estimator.estimate(analysis.drop(columns="y")).to_df()
    took = time.perf_counter() - begin
    told = told[told["chunk", "period"] == "analysis"]
    values = {ours: told[theirs, "value"].tolist() for ours, theirs in metrics.items()}
    print(json.dumps({"seconds": took, "values": values, "version": nannyml.__version__}))


if __name__ == "__main__":
    main()
