"""How candidates are made: `[training]`, and what its keys ask of the other sections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, model_validator

from interlock.errors import did_you_mean
from interlock.spec.data import Section
from interlock.spec.problems import Found

Direction = Literal["increasing", "decreasing"]
Window = Literal["all", "sliding", "since_drift", "auto"]


class Training(Section):
    """How candidates are made."""

    split: Literal["time", "seeded", "official", "grouped"] = Field(default="time", description="time: newest rows are held out. seeded: by hash. official: the source's own split. grouped: by hash of `group`, so that no entity is in two parts.")
    group: str | None = Field(default=None, description="Column that names the entity a row belongs to (customer, machine). Needed by the grouped split; with another split see `group_overlap`.")
    group_overlap: Literal["remove", "state"] = Field(default="remove", description="With `group` and another split than grouped. remove: entities of the held-out rows teach nothing. state: they stay, and the split says how many.")
    test_fraction: float = Field(default=0.2, gt=0, lt=0.9, description="Share of rows held out for the evidence.")
    validation_fraction: float = Field(default=0.15, gt=0, lt=0.9, description="Share of the remaining rows that tuning and early stopping look at.")
    window: Window | None = Field(default=None, description="History that is learned from. all: everything. sliding: the newest `window_days`. since_drift: from the last drift that monitoring found. auto: whichever of them predicted best in a backtest. Default: sliding where `window_days` is given, else all.")
    window_days: float | None = Field(default=None, gt=0, description="Length of the sliding window, counted back from the newest labelled row.")
    trials: int = Field(default=20, ge=1, le=10_000, description="Tuning budget: number of trials.")
    tuning_workers: int = Field(default=1, ge=1, le=64, description="Processes that run trials at once, each with `threads`. More than one: trials are proposed in batches of this many, so the number is part of what decides the result.")
    rounds_max: int = Field(default=600, ge=10, le=20_000, description="Boosting rounds at most.")
    early_stopping_rounds: int = Field(default=30, ge=1, description="Rounds without improvement after which boosting stops.")
    rows_min: int = Field(default=200, ge=20, description="Labelled rows below which training refuses.")
    tune_rows_max: int = Field(default=100_000, ge=1_000, description="Rows at most per tuning trial (newest, stated in the run).")
    class_weight: Literal["none", "balanced"] | dict[str, float] = Field(default="none", description="Weight of a row by its class. balanced: rows / (classes × rows of the class). A table names every class: `{ positive = 5.0, negative = 1.0 }`, or a multiclass task's classes.")
    monotone: dict[str, Direction] = Field(default_factory=dict, description="`[training.monotone]`: feature = \"increasing\" or \"decreasing\"; the answer may move in that direction only when nothing else changes.")
    interactions: list[list[str]] = Field(default_factory=list, description="Lists of features that may interact within a list, not across; a feature in no list acts on its own. Empty: no constraint.")
    calibration: Literal["none", "sigmoid", "isotonic"] = Field(default="none", description="Map from the model's score to a probability, learned from rows that the scoring model did not see. sigmoid: two numbers (Platt 1999). isotonic: a rising line of steps (Zadrozny and Elkan 2002), for a thousand such rows or more.")
    calibration_rows: Literal["validation", "out_of_fold"] = Field(default="validation", description="Rows that teach the calibration. validation: those of tuning. out_of_fold: all fitting rows, each scored by a model that did not see it (five fits more).")
    quantiles: list[float] = Field(default_factory=list, description="regression: quantiles that give each answer an interval, for example [0.1, 0.5, 0.9]; the outer two are its ends.")
    conformal: bool = Field(default=True, description="With `quantiles`: widen or narrow the interval by what held on the validation rows (conformalized quantile regression, Romano et al. 2019).")
    proposals: int = Field(default=2, ge=0, le=20, description="Features, the least important first, that are tried without after training; what could be dropped is proposed, never done. 0: none.")
    memory_budget_mb: int | None = Field(default=None, ge=16, description="Memory that the matrix of the final fit may take; beyond it XGBoost reads batches from disk. Default: no limit.")
    seed: int = Field(default=2013, ge=0, description="Seed of split and tuning.")
    threads: int = Field(default=2, ge=1, le=256, description="XGBoost threads; recorded, because sums depend on it.")

    @property
    def window_kind(self) -> Window:
        """The window that counts."""
        return self.window or ("sliding" if self.window_days is not None else "all")

    @model_validator(mode="after")
    def _agrees(self) -> Training:
        wrong = [text for text in (self._window_problem(), self._quantile_problem(), self._weight_problem()) if text]
        if self.split == "grouped" and self.group is None:
            wrong.append('split = "grouped" needs `group`, the column that names the entity')
        if self.split == "seeded" and self.group is not None:
            wrong.append('rows with a `group` need split = "grouped" (or "time", "official"): a seeded split tears entities apart')
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def _window_problem(self) -> str:
        if self.window == "sliding" and self.window_days is None:
            return 'window = "sliding" needs `window_days`'
        if self.window == "all" and self.window_days is not None:
            return '`window_days` has no meaning with window = "all"'
        if self.window_kind != "all" and self.split == "official":
            return "a window cuts rows by time, and an official split is not by time"
        return ""

    def _quantile_problem(self) -> str:
        if not self.quantiles:
            return ""
        if any(not 0 < level < 1 for level in self.quantiles) or self.quantiles != sorted(set(self.quantiles)):
            return "`quantiles` must rise and lie between 0 and 1"
        return "`quantiles` needs at least two, for the two ends of the interval" if len(self.quantiles) < 2 else ""

    def _weight_problem(self) -> str:
        table = self.class_weight if isinstance(self.class_weight, dict) else {}
        if any(not 0 < weight < float("inf") for weight in table.values()):
            return "every `class_weight` must be more than 0 and finite"
        return "`class_weight` names no class" if self.class_weight == {} else ""


def training_problems(raw: dict[str, Any]) -> Iterator[Found]:
    """Where `[training]` disagrees with `[prediction]`, `[columns]` and `[features]` of the raw file."""
    training, prediction = _section(raw, "training"), _section(raw, "prediction")
    yield from _group_problems(training, raw)
    yield from _task_problems(training, prediction)
    yield from _feature_problems(training, raw, str(prediction.get("task")))


def _section(raw: dict[str, Any], name: str) -> dict[str, Any]:
    value = raw.get(name)
    return value if isinstance(value, dict) else {}


def _group_problems(training: dict[str, Any], raw: dict[str, Any]) -> Iterator[Found]:
    columns = _section(raw, "columns")
    group = training.get("group")
    if isinstance(group, str) and columns and group not in columns:
        yield Found(("training", "group"), "names a column that [columns] does not have", group, ", ".join(columns), did_you_mean(group, columns))
    if training.get("window") in {"sliding", "since_drift", "auto"} or training.get("window_days") is not None:
        time = _section(raw, "time")
        if not time.get("column") and not time.get("row_start"):
            key = "window" if "window" in training else "window_days"
            yield Found(("training", key), "a window needs a [time] section with `column` or `row_start`", training.get(key))


def _task_problems(training: dict[str, Any], prediction: dict[str, Any]) -> Iterator[Found]:
    task = prediction.get("task")
    if training.get("calibration", "none") != "none" and task == "regression":
        yield Found(("training", "calibration"), "there is no probability to calibrate in a regression", training["calibration"], "none",
                    "for intervals use `quantiles`")
    if training.get("quantiles") and task != "regression":
        yield Found(("training", "quantiles"), "intervals by quantiles are for regression", training["quantiles"], "[]")
    weights = training.get("class_weight", "none")
    if weights != "none" and task == "regression":
        yield Found(("training", "class_weight"), "a regression has no classes", None, "none")
    elif isinstance(weights, dict):
        expected = ["positive", "negative"] if task == "binary" else list(prediction.get("classes") or [])
        if sorted(weights) != sorted(map(str, expected)):
            yield Found(("training", "class_weight"), "must name every class once", ", ".join(weights), ", ".join(map(str, expected)))


def _feature_problems(training: dict[str, Any], raw: dict[str, Any], task: str) -> Iterator[Found]:
    kinds = _features_of(raw)
    monotone, interactions = training.get("monotone"), training.get("interactions")
    for name in monotone if isinstance(monotone, dict) else {}:
        yield from _unknown(("training", "monotone", name), name, kinds)
        if kinds.get(name) == "category":
            yield Found(("training", "monotone", name), "categories have no order that an answer could follow", name)
    if monotone and task == "multiclass":
        yield Found(("training", "monotone"), "not for multiclass: no single answer could rise", None)
    for place, listed in enumerate(interactions if isinstance(interactions, list) else []):
        for name in listed if isinstance(listed, list) else []:
            if isinstance(name, str):
                yield from _unknown(("training", "interactions", place), name, kinds)


def _unknown(path: tuple[str | int, ...], name: str, kinds: dict[str, str]) -> Iterator[Found]:
    if name not in kinds and kinds:
        yield Found(path, "names no feature of this use case", name, ", ".join(kinds), did_you_mean(name, kinds))


def _features_of(raw: dict[str, Any]) -> dict[str, str]:
    """Kind of each matrix column that the file declares, derived features as numbers; nothing where a feature view may bring more
    (training then refuses a name that it does not know)."""
    features = _section(raw, "features")
    if features.get("views"):
        return {}
    roles = {"feature", "sensitive"} if features.get("include_sensitive") is True else {"feature"}
    found = {name: "category" if column.get("type") in {"category", "text"} else "number" for name, column in _section(raw, "columns").items()
             if isinstance(column, dict) and column.get("role", "feature") in roles}
    parts = features.get("calendar")
    found |= {f"event_time.{part}": "number" for part in parts} if isinstance(parts, list) else {}
    for entry in features.get("derived") or []:
        name = entry.get("name") if isinstance(entry, dict) else None
        outputs = [f"{name}_sin", f"{name}_cos"] if isinstance(entry, dict) and entry.get("kind") == "cyclic" else [str(name)]
        found |= dict.fromkeys(outputs, "number")
    return found
