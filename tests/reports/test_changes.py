"""The change list: each kind of change has its level, and the gravest decides."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from reports.changes import changes

BASE: dict[str, Any] = {
    "task": "binary", "classes": [], "moment": "now", "meaning": "late", "threshold": 0.5, "code_version": "1", "xgboost_version": "3.2.0",
    "snapshot_digest": "sha256:aaaa", "spec_digest": "sha256:bbbb", "context_columns": ["sex"],
    "calibration": {"method": "isotonic", "x": [0.1, 0.9], "y": [0.2, 0.8]},
    "features": {"specs": [{"name": "age", "kind": "numeric", "categories": [], "required": False},
                           {"name": "job", "kind": "category", "categories": ["a", "b"], "required": False}]},
    "training": {"split": "time", "trials": 8, "seed": 1, "rows_train": 1000, "fit_span": ["2013-01-01", "2013-03-01"],
                 "parameters": {"max_depth": 4}, "rounds": 80, "window": {"kind": "all", "since": "2013-01-01"}}}


def changed(**paths: Any) -> dict[str, Any]:
    """The base with values at dotted paths ("__" for the dot) replaced."""
    made = copy.deepcopy(BASE)
    for path, value in paths.items():
        *parents, last = path.split("__")
        here = made
        for part in parents:
            here = here[part]
        here[last] = value
    return made


def test_the_same_manifest_has_no_changes() -> None:
    assert changes(BASE, BASE) == {"level": "none", "data_only": True, "rows": []}


def test_the_first_version_has_nothing_to_compare_with_and_is_no_patch() -> None:
    assert changes(BASE, None) == {"level": "first", "data_only": False, "rows": []}


@pytest.mark.parametrize(("manifest", "level"), [
    (changed(task="regression"), "major"), (changed(moment="a day later"), "major"),
    (changed(features={"specs": BASE["features"]["specs"][:1]}), "major"),
    (changed(features={"specs": [*BASE["features"]["specs"], {"name": "new", "kind": "numeric", "categories": []}]}), "major"),
    (changed(features={"specs": [{**BASE["features"]["specs"][0], "kind": "category"}, BASE["features"]["specs"][1]]}), "major"),
    (changed(code_version="2"), "minor"), (changed(xgboost_version="3.3.0"), "minor"), (changed(threshold=0.4), "minor"),
    (changed(spec_digest="sha256:cccc"), "minor"), (changed(training__seed=2), "minor"), (changed(training__split="seeded"), "minor"),
    (changed(calibration__method="platt"), "minor"), (changed(calibration=None), "minor"),
    (changed(derived=[{"name": "ratio", "kind": "ratio"}]), "major"), (changed(mitigation={"kind": "reweigh"}), "minor"),
    (changed(context_columns=["sex", "race"]), "minor"), (changed(training__window={"kind": "sliding"}), "minor"),
    (changed(snapshot_digest="sha256:dddd"), "patch"), (changed(training__rows_train=1200), "patch"),
    (changed(training__parameters={"max_depth": 6}), "patch"), (changed(training__rounds=90), "patch"),
    (changed(calibration__x=[0.2, 0.7]), "patch"), (changed(training__window={"kind": "all", "since": "2013-02-01"}), "none"),
    (changed(features={"specs": [BASE["features"]["specs"][0], {**BASE["features"]["specs"][1], "categories": ["a", "c"]}]}), "patch")])
def test_each_change_has_its_level(manifest: dict[str, Any], level: str) -> None:
    found = changes(manifest, BASE)
    assert (found["level"], found["data_only"]) == (level, level in {"patch", "none"})


def test_parameters_of_another_search_are_no_patch() -> None:
    found = changes(changed(training__parameters={"max_depth": 6}, training__trials=20), BASE)
    assert {row["what"]: row["level"] for row in found["rows"]} == {"trials": "minor", "max_depth (found by the search)": "minor"}


def test_the_gravest_change_comes_first_and_says_before_and_after() -> None:
    found = changes(changed(snapshot_digest="sha256:dddd", meaning="very late", threshold=0.25), BASE)
    assert [(row["area"], row["level"]) for row in found["rows"]] == [("schema", "major"), ("thresholds", "minor"), ("data", "patch")]
    assert (found["rows"][1]["before"], found["rows"][1]["after"]) == ("0.5", "0.25")
