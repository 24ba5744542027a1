"""What types alone cannot see: keys that must agree with each other. Works on the raw tables, so that nothing hides behind a first error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from interlock.errors import did_you_mean
from interlock.spec.derived_checks import derived_problems
from interlock.spec.fairness_checks import fairness_problems
from interlock.spec.problems import Found
from interlock.spec.serving_checks import serving_problems
from interlock.spec.training import training_problems

FEATURE_TYPES = ("integer", "float", "boolean", "category")
NUMBER_TYPES = ("integer", "float")
OTHER_TYPES = ("boolean", "category", "text", "date", "datetime")
_CRON = re.compile(r"^\S+(\s+\S+){4}$")
_ENVIRONMENT = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


def cross_problems(raw: dict[str, Any]) -> list[Found]:
    """Every disagreement between keys of the file; sections of a wrong shape are left to the types."""
    steps = (_segments, _references, _target, _features, _columns, _checks, _clock, _split, _labels, _schedules, _environment_names, _value, _ab, training_problems,
             fairness_problems, derived_problems, serving_problems)
    return [problem for step in steps for problem in step(raw)]


def _section(raw: dict[str, Any], name: str) -> dict[str, Any]:
    value = raw.get(name)
    return value if isinstance(value, dict) else {}


def _columns_of(raw: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: column for name, column in _section(raw, "columns").items() if isinstance(column, dict)}


def _checks_of(raw: dict[str, Any]) -> list[dict[str, Any]]:
    value = raw.get("checks")
    return [check for check in value if isinstance(check, dict)] if isinstance(value, list) else []


def _references(raw: dict[str, Any]) -> Iterator[Found]:
    columns = _columns_of(raw)
    named: list[tuple[tuple[str | int, ...], Any]] = [(("prediction", "target"), _section(raw, "prediction").get("target"))]
    named += [(("time", key), _section(raw, "time").get(key)) for key in ("column", "plus_minutes", "plus_hours")]
    named.append((("source", "watermark"), _section(raw, "source").get("watermark")))
    named.append((("value", "scale_column"), _section(raw, "value").get("scale_column")))
    listed = _section(raw, "segments").get("columns")
    named += [(("segments", "columns", place), name) for place, name in enumerate(listed if isinstance(listed, list) else [])]
    for index, check in enumerate(_checks_of(raw)):
        named += [(("checks", index, key), check.get(key)) for key in ("column", "other")]
    for path, name in named:
        if isinstance(name, str) and columns and name not in columns:
            yield Found(path, "names a column that [columns] does not have", name, ", ".join(columns), did_you_mean(name, columns))


def _ab(raw: dict[str, Any]) -> Iterator[Found]:
    """An A/B test compares shares of an outcome, and its entities are told apart by something that a request carries."""
    rollout, columns = _section(raw, "rollout"), _columns_of(raw)
    test = rollout.get("ab") if isinstance(rollout.get("ab"), dict) else {}
    task = _section(raw, "prediction").get("task")
    if rollout.get("strategy") == "ab" and task in {"multiclass", "regression"}:
        yield Found(("rollout", "strategy"), "an A/B test compares the share of one outcome: it needs a binary task", task,
                    "canary, shadow, linear, blue_green")
    name = test.get("key") if isinstance(test, dict) else None
    if not isinstance(name, str) or not columns:
        return
    column = columns.get(name)
    if column is None:
        yield Found(("rollout", "ab", "key"), "names a column that [columns] does not have", name, ", ".join(columns),
                    did_you_mean(name, columns))
    elif column.get("role", "feature") not in {"feature", "sensitive"}:
        yield Found(("rollout", "ab", "key"), "a request carries no column of this role, so that no arm could be chosen by it",
                    column.get("role"), "feature, sensitive")


def _segments(raw: dict[str, Any]) -> Iterator[Found]:
    columns, named = _columns_of(raw), _section(raw, "monitoring").get("segments")
    for index, name in enumerate(named if isinstance(named, list) else []):
        path = ("monitoring", "segments", index)
        column = columns.get(name) if isinstance(name, str) else None
        if columns and isinstance(name, str) and column is None:
            yield Found(path, "names a column that [columns] does not have", name, ", ".join(columns), did_you_mean(name, columns))
        elif column is not None and column.get("type") not in {"category", "boolean", "integer"}:
            yield Found(path, "segments are the values of a category, boolean or whole-number column", column.get("type"),
                        "category, boolean, integer")
        elif column is not None and column.get("role", "feature") not in {"feature", "sensitive", "ignore"}:
            yield Found(path, "a column of this role does not tell segments of requests apart", column.get("role"),
                        "feature, sensitive, ignore")


def _target(raw: dict[str, Any]) -> Iterator[Found]:
    prediction, columns = _section(raw, "prediction"), _columns_of(raw)
    name = prediction.get("target")
    column = columns.get(name) if isinstance(name, str) else None
    if column is None:
        return
    if column.get("role", "feature") not in {"target", "later"}:
        yield Found(("columns", str(name), "role"), "this column is the target", column.get("role", "feature"), "target, later")
    needs_number = prediction.get("task") == "regression" or "at_least" in prediction
    if needs_number and column.get("type") in OTHER_TYPES:
        yield Found(("columns", str(name), "type"), "a regression target, or one with `at_least`, is a number", column.get("type"),
                    ", ".join(NUMBER_TYPES))
    for other, described in columns.items():
        if described.get("role") == "target" and other != name:
            yield Found(("columns", other, "role"), "only the column named by prediction.target may have this role", "target", "later, ignore")


def _features(raw: dict[str, Any]) -> Iterator[Found]:
    columns, features = _columns_of(raw), _section(raw, "features")
    roles = {"feature", "sensitive"} if features.get("include_sensitive") is True else {"feature"}
    entering = {name: column for name, column in columns.items() if column.get("role", "feature") in roles}
    if columns and not entering and not any(features.get(key) for key in ("calendar", "derived", "views")):
        yield Found(("columns",), 'no column has role = "feature"')
    for name, column in entering.items():
        if column.get("type") in {"text", "date", "datetime"}:
            yield Found(("columns", name, "type"), "a feature cannot have this type", column["type"], ", ".join(FEATURE_TYPES),
                        "use `category` for words; for times use features.calendar and another role")


def _columns(raw: dict[str, Any]) -> Iterator[Found]:
    for name, column in _columns_of(raw).items():
        if name.startswith("_"):
            yield Found(("columns", name), "names that start with an underscore are Interlock's own", name)
        limits = [key for key in ("min", "max") if key in column]
        if limits and column.get("type") in OTHER_TYPES:
            yield Found(("columns", name, limits[0]), "min and max are for numbers", column.get("type"), ", ".join(NUMBER_TYPES))
        yield from _ordered(("columns", name), column)
        yield from _actionable(("columns", name), column)


def _actionable(path: tuple[str | int, ...], column: dict[str, Any]) -> Iterator[Found]:
    wanted, role = column.get("actionable", False), column.get("role", "feature")
    if wanted is False:
        return
    if role != "feature":
        yield Found((*path, "actionable"), f"a column with role \"{role}\" is never changed in a counterfactual", wanted, "false")
    elif wanted in {"increase", "decrease"} and column.get("type") in OTHER_TYPES:
        yield Found((*path, "actionable"), "only numbers have a direction", wanted, "any, false")


def _checks(raw: dict[str, Any]) -> Iterator[Found]:
    names: set[Any] = set()
    for index, check in enumerate(_checks_of(raw)):
        yield from _ordered(("checks", index), check)
        if check.get("name") in names:
            yield Found(("checks", index, "name"), "another check has this name", check.get("name"))
        names.add(check.get("name"))
        if isinstance(check.get("pattern"), str):
            try:
                re.compile(check["pattern"])
            except re.error as error:
                yield Found(("checks", index, "pattern"), f"not a regular expression: {error}", check["pattern"])


def _ordered(path: tuple[str | int, ...], table: dict[str, Any]) -> Iterator[Found]:
    low, high = table.get("min"), table.get("max")
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and low > high:
        yield Found((*path, "min"), "min is larger than max", low, f"at most {high}")


def _clock(raw: dict[str, Any]) -> Iterator[Found]:
    time = _section(raw, "time")
    if isinstance(time.get("zone"), str):
        try:
            ZoneInfo(time["zone"])
        except (ZoneInfoNotFoundError, ValueError):
            yield Found(("time", "zone"), "not an IANA time zone", time["zone"], "for example UTC, Europe/Vienna, America/New_York")
    if isinstance(time.get("row_start"), str):
        try:
            datetime.fromisoformat(time["row_start"])
        except ValueError:
            yield Found(("time", "row_start"), "not an ISO 8601 time", time["row_start"], "for example 2013-01-01T00:00:00Z")
    if time.get("column") is None and (time.get("plus_minutes") or time.get("plus_hours")):
        yield Found(("time", "column"), "missing: plus_minutes and plus_hours add to it")


def _split(raw: dict[str, Any]) -> Iterator[Found]:
    training, time, source = _section(raw, "training"), _section(raw, "time"), _section(raw, "source")
    split = training.get("split", "time")
    if split == "time" and time.get("column") is None and time.get("row_start") is None:
        path = ("training", "split") if "split" in training else ("training",)
        yield Found(path, "a split by time needs a [time] section with `column` or `row_start`", split, "seeded, official, grouped")
    files = source.get("files") if isinstance(source.get("files"), list) else []
    named = {entry.get("split") for entry in files or [] if isinstance(entry, dict)}
    if split == "official" and not {"train", "test"} <= named:
        yield Found(("training", "split"), 'the official split needs source files with split = "train" and split = "test"', split, "time, seeded")


def _labels(raw: dict[str, Any]) -> Iterator[Found]:
    labels = _section(raw, "labels")
    needed = {"file": ("path",), "sql": ("url_env", "table")}.get(str(labels.get("source")), ())
    for key in needed:
        if not labels.get(key):
            yield Found(("labels", key), f"missing: labels come from {labels['source']}")


def _schedules(raw: dict[str, Any]) -> Iterator[Found]:
    for name, value in _section(raw, "schedules").items():
        if isinstance(value, str) and not _CRON.match(value.strip()):
            yield Found(("schedules", name), "not a cron expression", value, "five fields: minute hour day month weekday, for example 0 3 * * *")


def _environment_names(raw: dict[str, Any]) -> Iterator[Found]:
    for section, key in (("source", "url_env"), ("labels", "url_env"), ("privacy", "token_key_env")):
        value = _section(raw, section).get(key)
        if isinstance(value, str) and not _ENVIRONMENT.match(value):
            # Never shown: whoever writes a URL here has written a password.
            yield Found((section, key), "the name of an environment variable belongs here, never the secret itself")


def _value(raw: dict[str, Any]) -> Iterator[Found]:
    value, columns, task = _section(raw, "value"), _columns_of(raw), _section(raw, "prediction").get("task")
    if not value:
        return
    if task == "multiclass":
        yield Found(("value",), "a value matrix is for binary and regression tasks", task, "binary, regression")
    wrong = {"binary": ("over", "under"), "regression": ("true_positive", "false_positive", "true_negative", "false_negative")}
    for key in wrong.get(str(task), ()):
        if key in value:
            yield Found(("value", key), f"does not belong to a {task} task", value[key])
    described = columns.get(str(value.get("scale_column")), {})
    if described.get("type") in OTHER_TYPES:
        yield Found(("value", "scale_column"), "amounts can only be multiplied by a number", described["type"], ", ".join(NUMBER_TYPES))
