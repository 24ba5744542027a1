"""What `[serving]` must agree with: the columns, the task, each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from interlock.errors import did_you_mean
from interlock.spec.problems import Found

TEXTS, NUMBERS = ("category",), ("integer", "float")
CARRIED = ("feature", "sensitive", "identifier", "ignore")  # roles of columns that a request may carry
Path = tuple[str | int, ...]
HERE: Path = ("serving", "abstention")


def serving_problems(raw: dict[str, Any]) -> Iterator[Found]:
    """Columns that are not there or of another kind, conditions and answers that do not fit the task."""
    serving, columns = _table(raw, "serving"), {name: one for name, one in _table(raw, "columns").items() if isinstance(one, dict)}
    rules, task = _table(serving, "abstention"), str(_table(raw, "prediction").get("task"))
    for key in ("unseen_in", "missing_in"):
        listed = rules.get(key)
        for place, name in enumerate(listed if isinstance(listed, list) else []):
            yield from _column((*HERE, key, place), name, columns, TEXTS if key == "unseen_in" else None)
    if task == "regression" and "confidence_min" in rules:
        yield Found((*HERE, "confidence_min"), "a regression has no probabilities", rules["confidence_min"], "interval_width_max")
    if task != "regression" and "interval_width_max" in rules:
        yield Found((*HERE, "interval_width_max"), "only a regression has intervals", rules["interval_width_max"], "confidence_min")
    elif "interval_width_max" in rules and not _table(raw, "training").get("quantiles"):
        yield Found((*HERE, "interval_width_max"), "there is no interval without `quantiles` in [training]", rules["interval_width_max"])
    if rules and not _conditions(rules):
        yield Found(HERE, "there is a fallback, but nothing that makes the model abstain", None,
                    "out_of_range, unseen_in, missing_in, confidence_min, interval_width_max")
    if serving.get("capture") == "relaxed" and _table(raw, "rollout").get("on_capture_failure") == "refuse":
        yield Found(("serving", "capture"), "answers that are never given unrecorded cannot be given before they are recorded", "relaxed",
                    'durable, or `on_capture_failure = "serve"` in [rollout]')
    yield from _lines(rules, columns, task)


def _conditions(rules: dict[str, Any]) -> bool:
    return any(rules.get(key) not in (None, []) for key in ("out_of_range", "unseen_in", "missing_in", "confidence_min",
                                                            "interval_width_max"))


def _lines(rules: dict[str, Any], columns: dict[str, dict[str, Any]], task: str) -> Iterator[Found]:
    lines = rules.get("rules")
    for place, line in enumerate(lines if isinstance(lines, list) else []):
        if not isinstance(line, dict):
            continue
        path = (*HERE, "rules", place)
        yield from _column((*path, "column"), line.get("column"), columns, None)
        kind, value = columns.get(str(line.get("column")), {}).get("type"), line.get("value")
        if (kind in NUMBERS) != (isinstance(value, (int, float)) and not isinstance(value, bool)) and kind is not None:
            yield Found((*path, "value"), f"a column of type {kind} is never compared with this", value)
        if kind is not None and kind not in NUMBERS and line.get("operator") not in ("==", "!=") and "operator" in line:
            yield Found((*path, "operator"), f"a column of type {kind} has no order", line.get("operator"), "==, !=")
        yield from _answer((*path, "answer"), line.get("answer"), task)
    if "otherwise" in rules:
        yield from _answer((*HERE, "otherwise"), rules["otherwise"], task)


def _answer(path: Path, answer: Any, task: str) -> Iterator[Found]:
    number = isinstance(answer, (int, float)) and not isinstance(answer, bool)
    fits = {"binary": number and answer in (0, 1), "regression": number, "multiclass": isinstance(answer, str)}
    if answer is not None and not fits.get(task, True):
        yield Found(path, f"is no answer of a {task} task", answer, {"binary": "0, 1", "regression": "a number"}.get(task, "a class, as text"))


def _column(path: Path, name: Any, columns: dict[str, dict[str, Any]], types: tuple[str, ...] | None) -> Iterator[Found]:
    if not isinstance(name, str) or not columns:
        return
    column = columns.get(name)
    if column is None:
        if "." not in name:  # VIEW.FEATURE is looked up by the server
            yield Found(path, "names a column that [columns] does not have", name, ", ".join(columns), did_you_mean(name, columns))
    elif column.get("role", "feature") not in CARRIED:
        yield Found(path, "a request does not carry a column of this role", column.get("role"), ", ".join(CARRIED))
    elif types is not None and column.get("type") not in types:
        yield Found(path, "is no column of categories", column.get("type"), ", ".join(types))


def _table(raw: dict[str, Any], name: str) -> dict[str, Any]:
    value = raw.get(name)
    return value if isinstance(value, dict) else {}
