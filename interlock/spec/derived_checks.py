"""What `[[features.derived]]` and `[[features.views]]` ask of the other sections; above all that nothing is known before its time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from interlock.errors import did_you_mean
from interlock.spec.derived import LABEL
from interlock.spec.problems import Found
from interlock.spec.toml_lines import KeyPath

NUMBERS = ("integer", "float", "boolean")
KEYS = ("category", "text", "integer", "boolean")
Raw = dict[str, Any]


def derived_problems(raw: Raw) -> list[Found]:
    """Every problem of the derived features: names, columns, types, order, leaks, the clock."""
    features = _table(raw, "features")
    known: set[str] = set()
    declared = {output for made in _tables(features, "derived") for output in _outputs(made)}
    found = list(_view_uses(features, raw, known))
    for index, made in enumerate(_tables(features, "derived")):
        path: KeyPath = ("features", "derived", index)
        found += _name(made, path, raw, known)
        found += feature_problems(made, path, raw, known, declared)
        known.update(_outputs(made))
    return found


def feature_problems(made: Raw, path: KeyPath, raw: Raw, known: set[str], declared: set[str]) -> Iterator[Found]:
    """Problems of one feature over the columns of `raw` (a use case); `known`: features declared above it, `declared`: all of them."""
    for key in ("of", "over"):
        name = made.get(key)
        if not isinstance(name, str) or name in known:
            continue
        if name in declared:
            yield Found((*path, key), "a feature can be made only of features declared above it", name,
                        ", ".join(sorted(known)) or "none is above")
        else:
            yield from _operand(name, (*path, key), made, raw)
    for place, name in enumerate(made.get("by") or []):
        yield from key_problems(name, (*path, "by", place), raw)
    if made.get("kind") in {"lag", "rolling", "cyclic"} and not _timed(raw):
        yield Found((*path, "kind"), "rows have no time of their own, so none is earlier: give [time] a `column` or a `row_start`",
                    made.get("kind"), "ratio, difference")


def key_problems(name: Any, path: KeyPath, raw: Raw) -> Iterator[Found]:
    """Problems of a column that names an entity."""
    columns = _columns(raw)
    column = columns.get(name) if isinstance(name, str) else None
    if column is None:
        yield Found(path, "names a column that [columns] does not have", name, ", ".join(columns), did_you_mean(str(name), columns))
    elif column.get("type") not in KEYS:
        yield Found(path, "a column that names an entity holds words or whole numbers", column.get("type"), ", ".join(KEYS))
    else:
        yield from _kept_out(str(name), path, column, raw)


def _kept_out(name: str, path: KeyPath, column: Mapping[str, Any], raw: Raw) -> Iterator[Found]:
    role = column.get("role", "feature")
    if role in {"target", "later"} and path[-2:-1] == ("by",):
        yield Found(path, f"'{name}' is known only after the prediction: it cannot say which rows belong together", role)
    if role == "sensitive" and _table(raw, "features").get("include_sensitive") is not True:
        yield Found(path, f"'{name}' is sensitive and stays out of the model, also by way of a derived feature", role,
                    hint="features.include_sensitive = true lets it in, and is recorded")


def _operand(name: str, path: KeyPath, made: Raw, raw: Raw) -> Iterator[Found]:
    columns, delay = _columns(raw), _table(raw, "labels").get("delay_hours", 0)
    column = columns.get(name)
    if column is None and name != LABEL:
        yield Found(path, "names a column that [columns] does not have", name, ", ".join([*columns, LABEL]), did_you_mean(name, columns))
        return
    late = name == LABEL or (column or {}).get("role") in {"target", "later"}
    if late and made.get("kind") in {"ratio", "difference"}:
        yield Found(path, f"a leak: '{name}' of the row itself is known only after the prediction", name, hint="a lag may look back at it")
    elif late and made.get("include_self"):
        yield Found((*path[:-1], "include_self"), f"a leak: '{name}' of the row itself is known only after the prediction", True, "false")
    elif late and not (isinstance(delay, (int, float)) and delay > 0):
        yield Found(path, f"a leak: '{name}' is known only after the prediction, and nothing says how long after", name,
                    hint="labels.delay_hours, more than 0, says it; earlier rows' values then enter that much later")
    if name == LABEL and _table(raw, "prediction").get("task") == "multiclass":
        yield Found(path, "the label of a multiclass task is no number", name, hint="a column of numbers or booleans can be used")
    if column is not None and column.get("type") not in NUMBERS:
        yield Found(path, "a derived feature is made of numbers", column.get("type"), ", ".join(NUMBERS),
                    f"'{LABEL}' is the target as a number" if column.get("role") == "target" else "")
    elif column is not None:
        yield from _kept_out(name, path, column, raw)


def _name(made: Raw, path: KeyPath, raw: Raw, known: set[str]) -> Iterator[Found]:
    for name in _outputs(made):
        if name in known:
            yield Found((*path, "name"), "another feature has this name", name)
        elif name in _columns(raw):
            yield Found((*path, "name"), "a column has this name", name)


def _view_uses(features: Raw, raw: Raw, known: set[str]) -> Iterator[Found]:
    if _tables(features, "views") and not _timed(raw):
        yield Found(("features", "views"), "rows have no time of their own: give [time] a `column` or a `row_start`")
    for index, use in enumerate(_tables(features, "views")):
        for place, feature in enumerate(use.get("features") or []):
            name = f"{use.get('view')}.{feature}"
            if name in known:
                yield Found(("features", "views", index, "features", place), "taken twice", feature)
            known.add(name)
        for key, column in (use.get("entity") or {}).items():
            yield from key_problems(column, ("features", "views", index, "entity", key), raw)


def _outputs(made: Raw) -> list[str]:
    name = str(made.get("name"))
    return [f"{name}_sin", f"{name}_cos"] if made.get("kind") == "cyclic" else [name]


def _timed(raw: Raw) -> bool:
    time = _table(raw, "time")
    return time.get("column") is not None or time.get("row_start") is not None


def _table(raw: Raw, name: str) -> Raw:
    value = raw.get(name)
    return value if isinstance(value, dict) else {}


def _tables(raw: Raw, name: str) -> list[Raw]:
    value = raw.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _columns(raw: Raw) -> dict[str, Raw]:
    return {name: column for name, column in _table(raw, "columns").items() if isinstance(column, dict)}
