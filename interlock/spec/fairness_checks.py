"""What `[fairness]` and `[mitigation]` must agree with: the columns, the task, each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from interlock.errors import did_you_mean
from interlock.spec.fairness import MEASURES, VALUE_MEASURES
from interlock.spec.problems import Found

Path = tuple[str | int, ...]


def fairness_problems(raw: dict[str, Any]) -> Iterator[Found]:
    """Rules and mitigation that name what is not there, or what the task cannot measure."""
    prediction, fairness, mitigation = (_table(raw, name) for name in ("prediction", "fairness", "mitigation"))
    task = prediction.get("task")
    given = fairness.get("rules")
    rules = [rule for rule in given if isinstance(rule, dict)] if isinstance(given, list) else []
    for place, rule in enumerate(rules):
        yield from _rule(raw, ("fairness", "rules", place), rule, task, fairness)
    if rules and "fairness" in _table(raw, "gates"):
        yield Found(("gates", "fairness"), "[[fairness.rules]] take the place of this gate", "fairness",
                    ", ".join(f"fairness_{rule.get('name')}" for rule in rules), "set threshold and mode in the rule itself")
    classes = prediction.get("classes")
    favourable = fairness.get("favourable_classes")
    if isinstance(favourable, list) and favourable:
        if task != "multiclass":
            yield Found(("fairness", "favourable_classes"), "only a multiclass task has classes", favourable)
        elif isinstance(classes, list):
            if unknown := [name for name in favourable if name not in classes]:
                yield Found(("fairness", "favourable_classes"), "not among prediction.classes", unknown, ", ".join(map(str, classes)))
            if set(favourable) >= set(classes):
                yield Found(("fairness", "favourable_classes"), "if every class is favourable, nothing can differ", favourable)
    if mitigation.get("method", "none") != "none":
        if task != "binary":
            yield Found(("mitigation", "method"), "mitigation is for binary tasks", mitigation.get("method"), "none")
        if mitigation.get("method") == "exponentiated_gradient":
            for key in ("calibration", "class_weight"):
                if _table(raw, "training").get(key, "none") != "none":
                    yield Found(("training", key), "the exponentiated gradient sets labels and weights of the rows itself",
                                _table(raw, "training")[key], "none")
        if isinstance(mitigation.get("attribute"), str):
            yield from _sensitive(raw, ("mitigation", "attribute"), mitigation["attribute"])


def _rule(raw: dict[str, Any], path: Path, rule: dict[str, Any], task: Any, fairness: dict[str, Any]) -> Iterator[Found]:
    metric = rule.get("metric")
    wrong = VALUE_MEASURES if task in {"binary", "multiclass"} else MEASURES if task == "regression" else ()
    if metric in wrong:
        allowed = MEASURES if task != "regression" else VALUE_MEASURES
        yield Found((*path, "metric"), f"a {task} task has no such measure", metric, ", ".join(allowed))
    if task == "multiclass" and not fairness.get("favourable_classes"):
        yield Found((*path, "metric"), "nobody said which classes are favourable", metric, "", "set fairness.favourable_classes")
    named = rule.get("attributes")
    for place, name in enumerate(named if isinstance(named, list) else []):
        yield from _sensitive(raw, (*path, "attributes", place), name)


def _sensitive(raw: dict[str, Any], path: Path, name: Any) -> Iterator[Found]:
    columns = _table(raw, "columns")
    sensitive = [key for key, column in columns.items() if isinstance(column, dict) and column.get("role") == "sensitive"]
    if name not in sensitive:
        yield Found(path, 'not a column with role = "sensitive"', name, ", ".join(sensitive) or "none is declared",
                    did_you_mean(str(name), sensitive))


def _table(raw: dict[str, Any], name: str) -> dict[str, Any]:
    value = raw.get(name)
    return value if isinstance(value, dict) else {}
