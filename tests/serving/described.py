"""The tiny model of these tests with what a package made by `train` knows besides: words, ranges, and what its training rows held."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from interlock.modeling.package import read_package, write_package

COLUMNS = {"distance": {"type": "float", "min": 0.0, "max": 5000.0, "missing": False, "title": "Distance", "description": "Miles <flown>.",
                        "reason_high": "The flight is long", "reason_low": "The flight is short"},
           "carrier": {"type": "category", "reason": "The carrier"}, "night": {"type": "boolean", "reason_high": "It is a night flight",
                                                                            "reason_low": "It is a day flight"},
           "sex": {"type": "category", "role": "sensitive"}}
# 200 training rows between 100 and 2,999; the middle ones lie in the second bin, whose mean is 120,000 / 80 = 1,500.
DISTANCE = {"kind": "numeric", "minimum": 100.0, "maximum": 2999.0, "count": 200, "counts": [0, 60, 80, 60, 0],
            "sums": [0.0, 30_000.0, 120_000.0, 150_000.0, 0.0]}


def described(root: Path, plain: str, **changes: Any) -> str:
    """The package `plain` again with columns and a baseline profile; `distance` is required."""
    package = read_package(root, plain)
    manifest = package.manifest
    specs = [spec.model_copy(update={"required": spec.name == "distance"}) for spec in manifest.features.specs]
    space = manifest.features.model_copy(update={"specs": specs})
    known = {"features": space, "columns": COLUMNS, "favourable": "positive", "title": "Late <flights>"}
    manifest = manifest.model_copy(update=known | changes)
    return write_package(root, booster_ubj=package.files["model.ubj"], manifest=manifest, golden=json.loads(package.files["golden.json"]),
                         profile_json=json.dumps({"columns": {"distance": DISTANCE}}).encode())
