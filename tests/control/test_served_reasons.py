"""Reasons that the prediction server gives at once are those that `interlock explain` finds for the captured request afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from interlock.control.answers.explaining import explain_request
from interlock.modeling.inputs import manifest_inputs
from interlock.modeling.package import read_package, write_package
from interlock.records.store import Store
from interlock.rules.routes import Slot
from interlock.serving.answering import Answer, answer_rows
from interlock.serving.counters import ArmKey
from interlock.serving.limits import Limits
from interlock.serving.reasons import explained, with_reasons
from interlock.serving.records import Row
from interlock.serving.shelf import Arm, Loaded, Shelf
from interlock.settings import Settings
from interlock.spec.usecase import UseCase
from tests.control.traffic import SPEC, Traffic, copy_package, spec

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
COLUMNS = SPEC["columns"] | {"income": SPEC["columns"]["income"] | {"reason_low": "Income too low", "reason_high": "Income is high"},
                             "region": SPEC["columns"]["region"] | {"title": "Region"}}


def lending() -> UseCase:
    return spec(columns=COLUMNS, fairness={"favourable": "negative"})


@pytest.fixture
def traffic(settings: Settings, store: Store, package: tuple[Path, str]) -> Iterator[Traffic]:
    """Captured answers of a package that was made from this use case."""
    copy_package(*package, settings)
    plain = read_package(settings.folder("packages"), package[1])
    manifest = plain.manifest.model_copy(update=manifest_inputs(lending(), []))
    digest = write_package(settings.folder("packages"), booster_ubj=plain.files["model.ubj"], manifest=manifest,
                           golden=json.loads(plain.files["golden.json"]), profile_json=plain.profile_json)
    found = Traffic(settings, store, digest, lending())
    yield found
    found.segment.close()


def answered(loaded: Loaded, frame: pl.DataFrame) -> list[Answer]:
    """The same rows as the server answers them."""
    key = ArmKey("small_loans", 1, "", "champion", 1, loaded.digest)
    arm = Arm("champion", Slot(version=1, digest=loaded.digest), loaded, key)
    rows = [Row(row["_request_id"], row["_event_time"], {name: row[name] for name in ("income", "region", "sex")}, arm)
            for row in frame.to_dicts()]
    return answer_rows(loaded, rows)


def differences(traffic: Traffic, served: pl.DataFrame, told: list[dict[str, Any] | None]) -> int:
    """Rows whose reasons are not those of `interlock explain`."""
    wrong = 0
    for request_id, mine in zip(served["_request_id"], told, strict=True):
        its = explain_request(traffic.settings, traffic.use_case, str(request_id)).reasons
        same = mine is not None and [one["text"] for one in mine["codes"]] == [one.text for one in its.codes]
        same = same and mine["direction"] == its.direction and mine["margin"] == pytest.approx(its.margin, abs=1e-5)
        same = same and [one["contribution"] for one in mine["codes"]] == pytest.approx([one.contribution for one in its.codes], abs=1e-5)
        wrong += not same
    return wrong


def test_reasons_on_demand_are_those_of_explain(traffic: Traffic) -> None:
    served = traffic.serve(0).head(12)
    [loaded] = Shelf(traffic.settings.folder("packages"), Limits()).read("small_loans", [traffic.digest])
    told = [answer.reasons for answer in with_reasons(answered(loaded, served))]
    assert differences(traffic, served, told) == 0
    texts = {code["text"] for reasons in told if reasons is not None for code in reasons["codes"]}
    assert "Income too low" in texts
    assert any(text.startswith("Region: ") for text in texts)


def test_broken_variants_are_seen(traffic: Traffic) -> None:
    """Without usual values no number is high or low; toward the favourable answer they are reasons for something else."""
    served = traffic.serve(0).head(6)
    [loaded] = Shelf(traffic.settings.folder("packages"), Limits()).read("small_loans", [traffic.digest])
    answers = answered(loaded, served)
    for domain in (replace(loaded.domain, typical={}), replace(loaded.domain, favourable="positive")):
        assert differences(traffic, served, list(explained(replace(loaded, domain=domain), answers))) > 0
