"""How the setting of the Bank row was chosen: on the first 70 % of the rows alone, before the last 30 % were answered once.

`python -m benchmarks.bank_choice` replays each setting of a small grid over the rows from 40 % to 70 %, each answered by a model of its
past; later rows are not handed to the replay. The best AUC there is the setting of `model_quality`; `results/bank_choice.json` has all.
`--seeds` measures the best one again with other seeds on the same rows: how much of a difference between settings is luck.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.quality_cases import LOOP, LoopCase, judge_of, rolling, rows_of
from interlock.modeling.loop import replay
from interlock.settings import Settings, load_settings

RESULTS = Path(__file__).resolve().parent / "results" / "bank_choice.json"
SEEDS = RESULTS.with_name("bank_seeds.json")
FIRST, LAST = 0.4, 0.7
OVERALL = [rolling("rate_100", 100), rolling("rate_500", 500)]
GROUPS = [rolling("rate_contact", 100, "contact"), rolling("rate_poutcome", 100, "poutcome"), rolling("rate_job", 50, "job"),
          rolling("rate_weekday", 50, "day_of_week")]
DERIVED: dict[str, list[dict[str, Any]]] = {"none": [], "rates": OVERALL, "rates and groups": [*OVERALL, *GROUPS]}
WINDOW_DAYS: list[float | None] = [89, 178, None]  # about 4,000 rows, 8,000 rows, all


def setting(derived: str, window_days: float | None, **training: Any) -> LoopCase:
    """A retraining after each window of about 1,000 rows that breached; labels a day late. `training`: further keys of `[training]`."""
    sliding = {"window_days": window_days} if window_days is not None else {}
    return LoopCase("bank_marketing", metric="auc", goal=0.75, first=LAST, changes={
        "labels": {"delay_hours": 24}, "training": {**LOOP, **sliding, **training}, "features": {"derived": DERIVED[derived]},
        "monitoring": {"window_hours": 528, "watermark_hours": 24, "breaches": 1, "cooldown_hours": 0}})


def answered(settings: Settings, case: LoopCase) -> tuple[float, int, int]:
    """(AUC over the rows from 40 % to 70 %, rows, models) of one setting."""
    from sklearn.metrics import roc_auc_score

    use_case, frame = rows_of(settings, case)
    past = frame.head(int(LAST * frame.height))
    with tempfile.TemporaryDirectory() as root:
        done = replay(use_case, past, judge_of(use_case, settings.seed), Path(root), first=past["_event_time"][int(FIRST * frame.height)])
    return float(roc_auc_score(done.rows["_label"].to_numpy(), done.rows["_score"].to_numpy())), done.rows.height, len(done.trained)


def measure(settings: Settings) -> list[dict[str, Any]]:
    """AUC of each setting over the rows from 40 % to 70 %, best first."""
    found = []
    for derived, window_days in product(DERIVED, WINDOW_DAYS):
        auc, rows, models = answered(settings, setting(derived, window_days))
        found.append({"derived": derived, "window_days": window_days, "auc": auc, "rows": rows, "models": models})
        print(f"{derived}, {window_days or 'all'} days: AUC {auc:.4f} with {models} models", flush=True)
    return sorted(found, key=lambda one: -float(one["auc"]))


def measure_seeds(settings: Settings) -> list[dict[str, Any]]:
    """AUC of the chosen setting on the same rows by seed of `[training]`: the default's first, then 1 and 2."""
    best = json.loads(RESULTS.read_text(encoding="utf-8"))[0]
    found = []
    for seed in (2013, 1, 2):
        auc, _, models = answered(settings, setting(best["derived"], best["window_days"], seed=seed))
        found.append({"seed": seed, "auc": auc, "models": models})
        print(f"seed {seed}: AUC {auc:.4f} with {models} models", flush=True)
    return found


def main() -> None:
    """Measure and write."""
    settings = load_settings(data_dir=os.environ.get("INTERLOCK_DATA_DIR"))
    if "--seeds" in sys.argv[1:]:
        SEEDS.write_text(json.dumps(measure_seeds(settings), indent=2) + "\n", encoding="utf-8")
        return
    found = measure(settings)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"chosen: {found[0]}")


if __name__ == "__main__":
    main()
