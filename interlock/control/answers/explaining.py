"""Why one captured request was answered as it was: reasons, the way from the average answer to this one, and what would change it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from interlock.control.answers.levers import levers_of, median_of, spelled
from interlock.control.windows.window_attribution import encoded
from interlock.errors import DataError
from interlock.modeling.boosting import load_xgboost
from interlock.modeling.decision import decide, group_column
from interlock.modeling.features import Matrix
from interlock.modeling.inputs import accepted_fields
from interlock.modeling.package import Model, Package, read_package
from interlock.records.captured_files import CapturedFile, captured_files
from interlock.records.compaction import compact
from interlock.records.ids import made_at
from interlock.records.lake import lake_from, read_columns, read_frames
from interlock.rules.canonical import iso
from interlock.settings import Settings
from interlock.spec.usecase import UseCase
from reports.answer_scale import with_probabilities
from reports.counterfactuals import Search, counterfactuals
from reports.reason_words import words_for
from reports.reasons import Direction, Reasons, reason_codes, waterfall

if TYPE_CHECKING:
    import polars as pl

    from reports.profiles import Profile

Floats = NDArray[np.float64]
DAY = timedelta(days=1)
FILES_MAX = 1_000  # files of captured predictions looked through, the newest first: one per day and more


@dataclass(frozen=True)
class Explanation:
    """One answer explained. `contributions` are path-dependent Shapley values in the margin of the class or answer that was given."""

    request_id: str
    version: int
    digest: str
    event_time: str
    prediction: str
    score: float
    answer: str
    reasons: Reasons
    steps: list[dict[str, Any]] = field(repr=False)
    search: Search
    changes: list[dict[str, tuple[Any, Any]]]
    inputs: dict[str, Any] = field(default_factory=dict, repr=False)  # the fields of the request, as it was captured
    calibrated: bool = False  # whether the score is more than the probability of the margin

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"request_id": self.request_id, "version": self.version, "digest": self.digest, "event_time": self.event_time,
                "prediction": self.prediction, "score": self.score, "explained": self.answer, "kind": "path-dependent",
                "reasons": self.reasons.as_json(), "waterfall": self.steps, "inputs": self.inputs, "calibrated": self.calibrated,
                "counterfactuals": {
                    **self.search.as_json(), "found": [{"effort": one.effort, "changes": changes}
                                                       for one, changes in zip(self.search.found, self.changes, strict=True)]}}


def explain_request(settings: Settings, use_case: UseCase, request_id: str, *, direction: Direction | None = None) -> Explanation:
    """Explain the last answer that was captured for this request, by the package that gave it.

    `direction`: reasons for the answer being high (`up`) or low (`down`); None: toward the unfavourable answer (binary), toward the
    class that was answered (multiclass), away from the average (regression). Raises `DataError` where no such request was captured,
    `PackageError` where its package is gone.
    """
    row = find_prediction(settings, use_case.name, request_id)
    package = read_package(settings.folder("packages"), str(row["_digest"][0]))
    model, values = package.open_model(), encoded(package, row)
    contributions, answer = _contributions(model, values, str(row["_prediction"][0]))
    names = package.manifest.features.names
    words = words_for(use_case.columns, names, use_case.model_columns, _sources(package))
    given = {name: row[name][0] if name in row.columns else _known(values[0, place]) for place, name in enumerate(names)}
    profile = _profile(package)
    typical = {name: middle for name, column in profile.columns.items()
               if column.kind == "numeric" and (middle := median_of(column)) is not None}
    reasons = reason_codes(contributions, names, given, words, typical=typical,
                           direction=direction or _direction(use_case, package, contributions))
    search = _search(use_case, package, model, profile, row, values[0])
    return Explanation(request_id, int(row["_version"][0]), package.digest, iso(row["_event_time"][0]), str(row["_prediction"][0]),
                       float(row["_score"][0]), answer, reasons,
                       with_probabilities(waterfall(contributions, names, given), package.manifest.task), search,
                       [spelled(package, one.changes) for one in search.found], _inputs(package, row),
                       package.manifest.calibration is not None)


def find_prediction(settings: Settings, use_case: str, request_id: str) -> pl.DataFrame:
    """The one row of the last captured answer to this request; looks through the newest `FILES_MAX` files of the lake."""
    import polars as pl

    lake = lake_from(settings)
    compact(settings, lake, use_case)
    files = captured_files(settings, use_case)[-FILES_MAX:]
    for file in _likely_first(files, request_id):
        if (read_columns(lake, file.key, ["_request_id"])["_request_id"] == request_id).any():
            return read_frames(lake, [file.key]).filter(pl.col("_request_id") == request_id).sort("_seen_time").tail(1)
    raise DataError("no prediction with this id was captured", value=request_id, allowed=f"an id among {len(files)} files of predictions",
                    next_step="use the `id` of the reply; ids of replies that said captured: false are not kept")


def _likely_first(files: list[CapturedFile], request_id: str) -> list[CapturedFile]:
    """The newest first, but before them those of the day that a time-ordered id (UUID version 7) was made on."""
    newest = list(reversed(files))
    moment = made_at(request_id)
    if moment is None:
        return newest
    return sorted(newest, key=lambda file: not file.first - DAY <= moment <= file.last + DAY)


def _inputs(package: Package, row: pl.DataFrame) -> dict[str, Any]:
    """The fields that a request carries for this model, with the values that were captured, and the event time."""
    fields = {name: row[name][0] if name in row.columns else None for name in accepted_fields(package.manifest)}
    return fields | {"event_time": iso(row["_event_time"][0])}


def _contributions(model: Model, values: Matrix, prediction: str) -> tuple[Floats, str]:
    """Shapley values of the answer (f + 1,), and which answer that is."""
    from reports.shapley import explain_rows

    load_xgboost()
    manifest = model.manifest
    found = explain_rows(model.booster, values, manifest.features.feature_types, threads=1).contributions[0]
    if manifest.task == "multiclass":
        return found[manifest.classes.index(prediction)], f"the class {prediction}"
    return found, "the probability of a yes" if manifest.task == "binary" else "the value"


def _direction(use_case: UseCase, package: Package, contributions: Floats) -> Direction:
    if package.manifest.task == "multiclass":
        return "up"
    if package.manifest.task == "regression":
        return "up" if contributions[:-1].sum() >= 0 else "down"
    return "down" if use_case.fairness.favourable == "positive" else "up"


def _sources(package: Package) -> dict[str, list[str]]:
    """Derived feature → what it was made of, in the order of making."""
    return {name: [source for source in (made.of, made.over, *made.by) if source] for made in package.manifest.derived
            for name in made.outputs}


def _known(value: np.float32) -> float | None:
    return None if np.isnan(value) else float(value)


def _profile(package: Package) -> Profile:
    from reports.profiles import Profile

    return Profile.from_json(package.profile_json)


def _search(use_case: UseCase, package: Package, model: Model, profile: Profile, row: pl.DataFrame, values: Matrix) -> Search:
    """Changes that bring the favourable answer, judged by the model and the decision rule that serve."""
    manifest = package.manifest
    if manifest.task != "binary":
        return Search((), 0, (), "counterfactuals are searched for yes-or-no answers only")
    column = group_column(manifest)
    group = row[column][0] if column is not None and column in row.columns else None
    favourable = 1.0 if use_case.fairness.favourable == "positive" else 0.0

    def judge(matrix: Matrix) -> tuple[NDArray[np.bool_], Floats]:
        scores = model.score(matrix)
        decided = decide(manifest, scores, None if column is None else [group] * matrix.shape[0])
        distance = manifest.threshold - scores.astype(np.float64)
        return decided == favourable, distance if favourable == 1.0 else -distance

    return counterfactuals(judge, values, levers_of(use_case, package, profile, values))
