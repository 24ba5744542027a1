"""What became of a step's answers: labels that came in for them, and the counts of its A/B test. From captured and compacted answers.

Compaction brings captured answers into the lake every few seconds, so these figures lag behind the counters by that much. They are
read again only once there is something new.
"""

from __future__ import annotations

from datetime import datetime
from math import sqrt
from statistics import fmean, variance
from typing import TYPE_CHECKING, Any

from interlock.records.late_labels import labels_seen
from interlock.records.step_rows import rows_of_generation, stamp_of
from interlock.rules.arms import Outcomes
from interlock.rules.sequential import AbCounts
from interlock.settings import Settings
from interlock.spec.usecase import UseCase

if TYPE_CHECKING:
    import polars as pl

LOSSES = {"binary": "log loss", "multiclass": "error rate", "regression": "absolute error"}
LOOK_S = 60        # labels of a file or table can change unseen: they are read at least this often
KEPT = 64          # results kept until something new comes in
CLIP = 1e-15       # a probability of 0 or 1 has no finite log loss
_KNOWN: dict[tuple[str, int, str], tuple[Any, Any]] = {}


def outcomes_of(settings: Settings, use_case: UseCase, generation: int, since: datetime, now: datetime, *, shadow: bool) -> Outcomes | None:
    """Losses on labels seen by `now` for answers of this generation; None without a label in either arm.

    In the shadow both models answered the same requests: the difference is paired. Else each arm has its own requests, and the
    difference of means has Welch's standard error.
    """
    def read() -> Outcomes | None:
        rows = rows_of_generation(settings, use_case.name, generation, since, ("predictions", "shadow") if shadow else ("predictions",))
        if rows.is_empty():
            return None
        joined = rows.join(labels_seen(settings, use_case, now, since=since), on="_request_id", how="inner")
        losses = joined.with_columns(_loss(use_case.prediction.task).alias("_loss")).filter(_finite("_loss"))
        return _paired(losses, LOSSES[use_case.prediction.task]) if shadow else _apart(losses, LOSSES[use_case.prediction.task])

    found: Outcomes | None = _once(settings, use_case.name, generation, now, "labels", read)
    return found


def ab_counts(settings: Settings, use_case: UseCase, generation: int, since: datetime, now: datetime) -> AbCounts:
    """Of its A/B test: hits and counted answers per arm, in the order of the answers, `samples_max` in all; each entity counts once."""
    test = use_case.rollout.ab

    def read() -> AbCounts:
        import polars as pl

        rows = rows_of_generation(settings, use_case.name, generation, since, ("predictions",), extra=test.key).sort("_seen_time")
        rows = rows.filter(pl.col("_arm").is_in(["champion", "candidate"]))
        if test.key is not None and test.key in rows.columns:
            unit = pl.col(test.key).cast(pl.String)
            rows = rows.with_columns(pl.when(unit.is_null()).then(pl.col("_request_id")).otherwise(pl.lit("=") + unit).alias("_unit"))
            rows = rows.unique(["_unit", "_arm"], keep="first", maintain_order=True)
        hit = pl.col("_prediction") == "1"
        if test.outcome == "labels":
            rows = rows.join(labels_seen(settings, use_case, now, since=since), on="_request_id", how="inner")
            hit = pl.col("_label") == 1
        rows = rows.head(test.samples_max).with_columns(hit.alias("_hit"))
        sums = {arm: (hits, n) for arm, hits, n in rows.group_by("_arm").agg(pl.col("_hit").sum(), pl.len()).iter_rows()}
        return AbCounts(*(int(value) for arm in ("candidate", "champion") for value in sums.get(arm, (0, 0))))

    found: AbCounts = _once(settings, use_case.name, generation, now, "ab", read)
    return found


def _once(settings: Settings, name: str, generation: int, now: datetime, what: str, read: Any) -> Any:
    """The known result while nothing new was captured, or labelled for `LOOK_S`."""
    key = (f"{settings.home}:{name}", generation, what)
    stamp = (stamp_of(settings, name), int(now.timestamp() // LOOK_S))
    if key not in _KNOWN or _KNOWN[key][0] != stamp:
        while len(_KNOWN) >= KEPT:
            _KNOWN.pop(next(iter(_KNOWN)))
        _KNOWN[key] = (stamp, read())
    return _KNOWN[key][1]


def _loss(task: str) -> pl.Expr:
    import polars as pl

    if task == "binary":
        score = pl.col("_score").clip(CLIP, 1 - CLIP)
        return -(pl.col("_label") * score.log() + (1 - pl.col("_label")) * (1 - score).log())
    if task == "multiclass":
        return (pl.col("_prediction") != pl.col("_label")).cast(pl.Float64)
    return (pl.col("_score") - pl.col("_label")).abs()


def _finite(name: str) -> pl.Expr:
    import polars as pl

    return pl.col(name).is_not_null() & pl.col(name).is_finite()


def _paired(losses: pl.DataFrame, loss: str) -> Outcomes | None:
    import polars as pl

    ours = losses.filter(pl.col("_arm") == "shadow").select("_request_id", pl.col("_loss").alias("_ours"))
    both = losses.filter(pl.col("_arm") == "champion").join(ours, on="_request_id", how="inner")
    if both.is_empty():
        return None
    difference, n = (both["_ours"] - both["_loss"]), both.height
    return Outcomes(loss, n, n, _mean(both["_ours"]), _mean(both["_loss"]), _mean(difference), sqrt(_variance(difference) / n), True)


def _apart(losses: pl.DataFrame, loss: str) -> Outcomes | None:
    import polars as pl

    ours, its = (losses.filter(pl.col("_arm") == arm)["_loss"] for arm in ("candidate", "champion"))
    if ours.is_empty() and its.is_empty():
        return None
    if ours.is_empty() or its.is_empty():
        return Outcomes(loss, ours.len(), its.len(), 0.0, 0.0, 0.0, 0.0, False)
    squared = _variance(ours) / ours.len() + _variance(its) / its.len()
    return Outcomes(loss, ours.len(), its.len(), _mean(ours), _mean(its), _mean(ours) - _mean(its), sqrt(squared), False)


def _mean(values: pl.Series) -> float:
    return fmean(values.to_list())


def _variance(values: pl.Series) -> float:
    """Of a sample; 0 for one value."""
    return variance(values.to_list()) if values.len() > 1 else 0.0
