"""What changed against the champion, read from the two manifests: schema, features, code, settings, data; major, minor or patch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Level = Literal["major", "minor", "patch", "none", "first"]
Manifest = Mapping[str, Any]

ORDER = {"major": 0, "minor": 1, "patch": 2}
CONTRACT = {"task": "kind of target", "classes": "classes", "moment": "moment of the prediction", "meaning": "meaning of the answer"}
CODE = {"code_version": "Interlock", "xgboost_version": "XGBoost"}
TRAINED = {"rows_train": "rows learned from", "rows_validation": "rows to tune on", "rows_test": "rows held out",
           "fit_span": "span learned from", "test_span": "span held out", "labels_until": "labels known until",
           "rows_tuning": "rows searched on", "window": "window"}
FOUND = {"parameters", "rounds", "validation_loss"}  # what a search finds on its data
SAID = {"split_note", "validation_metric"}           # follow from the others
DATED = {"snapshot", "stale", "since", "note"}       # in a section: which data it met, not what it is
FEATURES = {"derived", "views", "operands"}          # sections that define features
HANDLED = {"features", "training", "threshold", "snapshot_digest", "spec_digest", "baseline", "files", "title", "use_case", "format",
           *CONTRACT, *CODE}


def changes(candidate: Manifest, champion: Manifest | None) -> dict[str, Any]:
    """The list of changes between two manifests (as plain JSON) and how far they go.

    {"level", "data_only", "rows": [{"area", "what", "before", "after", "level"}]}, the gravest first. Levels as in semantic versioning, for
    whoever calls or answers for the model: *major*: task, classes, moment, meaning, or the set or kind of the features; *minor*: code,
    settings of training and search, mitigation, calibration method, decision threshold, use-case file, context columns; *patch*: the
    data, and what the same recipe found on it (tuned parameters, rounds, category lists, fitted numbers). `level`: the gravest of them;
    "none": nothing differs; "first": there is no champion. `data_only` is true for patch and none: what a standing approval may rest on.
    Where settings or file changed, tuned parameters are minor too: they are then no longer the same search's.
    """
    if champion is None:
        return {"level": "first", "data_only": False, "rows": []}
    rows = [*_contract(candidate, champion), *_features(candidate, champion), *_code(candidate, champion), *_recipe(candidate, champion)]
    same_search = not any(row["level"] == "minor" for row in rows)
    rows += [*_found(candidate, champion, "patch" if same_search else "minor"), *_data(candidate, champion)]
    rows.sort(key=lambda row: ORDER[row["level"]])
    level = rows[0]["level"] if rows else "none"
    return {"level": level, "data_only": level in {"patch", "none"}, "rows": rows}


def _row(area: str, what: str, before: Any, after: Any, level: Level) -> dict[str, Any]:
    return {"area": area, "what": what, "before": _text(before), "after": _text(after), "level": level}


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return " to ".join(map(_text, value)) if len(value) == 2 else ", ".join(map(_text, value)) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(inner)}" for key, inner in value.items()) or "none"
    number = isinstance(value, int) and not isinstance(value, bool)
    text = "none" if value is None or value == "" else f"{value:,}" if number else str(value)
    return text if len(text) <= 120 else f"{text[:119]}…"


def _contract(candidate: Manifest, champion: Manifest) -> list[dict[str, Any]]:
    return [_row("schema", words, champion.get(name), candidate.get(name), "major") for name, words in CONTRACT.items()
            if champion.get(name) != candidate.get(name)]


def _features(candidate: Manifest, champion: Manifest) -> list[dict[str, Any]]:
    """Features added, removed or of another kind are major; other category lists follow from the data."""
    before, after = ({spec["name"]: spec for spec in one["features"]["specs"]} for one in (champion, candidate))
    rows = [_row("features", f"'{name}' added", None, after[name]["kind"], "major") for name in after if name not in before]
    rows += [_row("features", f"'{name}' removed", before[name]["kind"], None, "major") for name in before if name not in after]
    for name in (name for name in after if name in before):
        plain = [{key: value for key, value in side[name].items() if key != "categories"} for side in (before, after)]
        if plain[0] != plain[1]:
            differ = [key for key in {**plain[0], **plain[1]} if plain[0].get(key) != plain[1].get(key)]
            rows.append(_row("features", f"'{name}': {', '.join(differ)}", [plain[0].get(key) for key in differ][0],
                             [plain[1].get(key) for key in differ][0], "major"))
        old, new = (set(side[name].get("categories", [])) for side in (before, after))
        if old != new:
            rows.append(_row("features", f"'{name}': values known", f"{len(old):,}", f"{len(new):,} ({len(new - old):,} new)", "patch"))
    if list(before) != list(after) and set(before) == set(after):
        rows.append(_row("features", "order", "", "another", "minor"))
    return rows


def _code(candidate: Manifest, champion: Manifest) -> list[dict[str, Any]]:
    return [_row("code", words, champion.get(name), candidate.get(name), "minor") for name, words in CODE.items()
            if champion.get(name) != candidate.get(name)]


def _recipe(candidate: Manifest, champion: Manifest) -> list[dict[str, Any]]:
    """Settings of training, sections of the manifest whose method (not only their fitted numbers) differs, threshold and file."""
    before, after = champion.get("training", {}), candidate.get("training", {})
    names = [name for name in {**before, **after} if name not in {*TRAINED, *FOUND, *SAID}]
    rows = [_row("parameters", name.replace("_", " "), before.get(name), after.get(name), "minor") for name in names
            if before.get(name) != after.get(name)]
    if _kind(before.get("window")) != _kind(after.get("window")):
        rows.append(_row("parameters", "retraining window", _kind(before.get("window")), _kind(after.get("window")), "minor"))
    for name in (name for name in {**champion, **candidate} if name not in HANDLED):
        if _method(champion.get(name)) != _method(candidate.get(name)):
            area: str
            level: Level
            area, level = ("features", "major") if name in FEATURES else ("parameters", "minor")
            rows.append(_row(area, name.replace("_", " "), _method(champion.get(name)), _method(candidate.get(name)), level))
    if champion.get("threshold") != candidate.get("threshold"):
        rows.append(_row("thresholds", "decision threshold", champion.get("threshold"), candidate.get("threshold"), "minor"))
    if champion.get("spec_digest") != candidate.get("spec_digest"):
        rows.append(_row("policy", "use-case file", _short(champion), _short(candidate), "minor"))
    return rows


def _found(candidate: Manifest, champion: Manifest, level: Level) -> list[dict[str, Any]]:
    """What the search found: parameters one by one, rounds; and numbers fitted by the same method."""
    before, after = champion.get("training", {}), candidate.get("training", {})
    old, new = before.get("parameters", {}), after.get("parameters", {})
    rows = [_row("parameters", f"{name} (found by the search)", old.get(name), new.get(name), level) for name in {**old, **new}
            if old.get(name) != new.get(name)]
    if before.get("rounds") != after.get("rounds"):
        rows.append(_row("parameters", "rounds (found by early stopping)", before.get("rounds"), after.get("rounds"), level))
    for name in (name for name in {**champion, **candidate} if name not in HANDLED):
        if champion.get(name) != candidate.get(name) and _method(champion.get(name)) == _method(candidate.get(name)):
            rows.append(_row("parameters", f"{name.replace('_', ' ')} (fitted)", "", "other numbers", level))
    return rows


def _data(candidate: Manifest, champion: Manifest) -> list[dict[str, Any]]:
    before, after = champion.get("training", {}), candidate.get("training", {})
    rows = [_row("data", words, before.get(name), after.get(name), "patch") for name, words in TRAINED.items()
            if name != "window" and before.get(name) != after.get(name)]
    if champion.get("snapshot_digest") != candidate.get("snapshot_digest"):
        was, now = (str(one.get("snapshot_digest", ""))[:19] for one in (champion, candidate))
        rows.insert(0, _row("data", "snapshot", was, now, "patch"))
    return rows


def _kind(window: Any) -> Any:
    """The policy of a retraining window without the dates that follow from the data."""
    return window.get("kind", window.get("chosen")) if isinstance(window, Mapping) else window


def _method(value: Any) -> Any:
    """A section without its fitted numbers: what remains says by which method they were fitted."""
    if isinstance(value, Mapping):
        return {key: _method(inner) for key, inner in sorted(value.items()) if key not in DATED}
    if isinstance(value, list | tuple):
        kept = [inner for inner in map(_method, value) if inner != "number"]
        return kept or "numbers"
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else value


def _short(manifest: Manifest) -> str:
    return str(manifest.get("spec_digest", ""))[:19]
