"""Thresholds by group over the real endpoint: the same decisions as in training, and a flag where the group is not known."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interlock.modeling.decision import decide
from interlock.modeling.group_thresholds import GroupThresholds
from interlock.modeling.package import read_package, write_package
from interlock.settings import Settings

MOMENT = datetime(2013, 5, 4, 14, 3, tzinfo=UTC)
GROUPS = ["f", "m", "f", "m", None, "zz", "f", "m"]


def grouped_package(root: Path, plain: str) -> str:
    """The same booster with thresholds by group: women from 0.2 on, men never below 0.8."""
    package = read_package(root, plain)
    manifest = package.manifest.model_copy(update={"group_thresholds": GroupThresholds(column="sex", thresholds={"f": 0.2, "m": 0.8})})
    return write_package(root, booster_ubj=package.files["model.ubj"], manifest=manifest, golden=json.loads(package.files["golden.json"]),
                         profile_json=package.profile_json)


@pytest.fixture
def grouped(settings: Settings, packages: tuple[Path, str, str]) -> str:
    return grouped_package(packages[0], packages[1])


def test_the_endpoint_decides_as_the_evidence_does(
        settings: Settings, grouped: str, start_server: Callable[..., Any], record: Callable[..., dict[str, Any]]) -> None:
    draw = np.random.default_rng(5)
    sent = [record(id=f"r{place}", distance=float(draw.integers(100, 3_000)), carrier=str(draw.choice(["AA", "B6", "UA"])), sex=group)
            for place, group in enumerate(GROUPS)]
    sent.append({name: value for name, value in record(id="without").items() if name != "sex"})
    server = start_server()
    server.client.converge(server.route(1, grouped))
    answers = server.client.predict("late", sent)["predictions"]
    package = read_package(settings.folder("packages"), grouped)
    matrix, _ = package.manifest.features.encode_records(sent, [MOMENT] * len(sent))
    scores = package.open_model().score(matrix)
    groups = [row.get("sex") for row in sent]
    assert [answer["score"] for answer in answers] == [float(score) for score in scores]
    assert [answer["prediction"] for answer in answers] == decide(package.manifest, scores, groups).astype(int).tolist()
    assert [answer["prediction"] for answer in answers] != (scores >= 0.5).astype(int).tolist()  # the groups do decide something
    unknown = [place for place, answer in enumerate(answers) if "group_unknown:sex" in answer["flags"]]
    assert unknown == [4, 5, 8]
    assert all(answers[place]["prediction"] == int(scores[place] >= 0.5) for place in unknown)


def test_models_without_them_say_nothing(packages: tuple[Path, str, str], start_server: Callable[..., Any],
                                         record: Callable[..., dict[str, Any]]) -> None:
    server = start_server()
    server.client.converge(server.route(1, packages[1]))
    answer = server.client.predict("late", [record(sex="zz")])["predictions"][0]
    assert answer["flags"] == []
    assert answer["prediction"] == int(answer["score"] >= 0.5)
