"""The Explainability page on real figures, one captured answer by its id, and quality on the Data page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from reasons_world import NAME, lending, opened, served, text, trained
from sqlalchemy import update

from interlock.control.readmodel import explanations
from interlock.control.readmodel.proof import Proof, proof, proofs
from interlock.control.readmodel.soundness import soundness
from interlock.records.store import Store
from interlock.records.tables import EvidenceRow, Window
from interlock.settings import Settings
from reports.attribution_drift import attribution_drift
from tests.control.traffic import Traffic

# Optuna marks multi-threaded samplers as experimental.
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    root = tmp_path_factory.mktemp("packages")
    return root, trained(root)


@pytest.fixture
def traffic(environment: Settings, store: Store, made: tuple[Path, str]) -> Iterator[Traffic]:
    found = served(environment, store, made)
    yield found
    found.segment.close()


def newest(store: Store) -> Proof:
    found = proof(store, proofs(store, NAME)[0][0])
    assert found is not None
    return found


def bare(store: Store) -> None:
    """The evidence as it was before there was more than importance."""
    with store.writing() as session:
        row = session.query(EvidenceRow).one()
        own = {name: row.body["figures"]["explain"][name] for name in ("importance", "beeswarm")}
        session.execute(update(EvidenceRow).values(body=row.body | {"figures": {"explain": own}, "findings": []}))


def test_the_figures_say_what_the_reports_wrote(traffic: Traffic, store: Store) -> None:
    found = newest(store)
    own = found.evidence.figures["explain"]
    way = explanations.method(found)
    assert way is not None
    assert way.sentence.startswith("Path-dependent Shapley values of 1,200 of 1,200 held-out rows")
    assert way.note == "Interventional values: 500 rows against 200 training rows."
    pairs = explanations.pairs(found)
    assert pairs is not None
    assert pairs.pairs[0].share == own["interactions"]["pairs"][0]["share"]
    shapes = explanations.dependences(found)
    assert {value for value, _, _ in shapes["region"].points} <= {"north", "south", "west"}  # codes are spelled out
    grids = explanations.answers(found)
    assert len(grids["income"].grid) == len(grids["income"].mean) == len(grids["income"].extrapolated)
    assert grids["income"].mean[0] > grids["income"].mean[-1]  # the poorer, the likelier late
    groups = {one.name: one for one in explanations.cohorts(found)}
    assert (groups["few"].needed, groups["few"].importance) == (60, {})
    loss = explanations.mistakes(found)
    assert loss is not None
    assert loss.drivers == own["loss"]["drivers"]


def test_the_page_shows_each_section_with_its_figures(traffic: Traffic, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = text(opened("explainability", monkeypatch, lending()))
    for phrase in ("Path-dependent Shapley values of 1,200", "Features that act together", "What income adds", "The answer over income",
                   "What carries the answers of each group", "not enough evidence, 60 needed", "What each feature does to the mistakes",
                   "Slices with the most mistakes", "One answer",
                   "Attribution drift in production: not measured (not enough evidence: n = 60, at least 100 needed)"):
        assert phrase in shown, phrase


def test_attribution_drift_is_drawn_window_by_window(traffic: Traffic, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three features on each window's 300 rows, in another order than the evidence's: the small model itself has only two."""
    shap = np.random.default_rng(3).normal(0, [0.1, 0.3, 1.0, 0.0], (300, 4))
    made = attribution_drift(shap, ["a", "b", "c"], {"a": 0.7, "b": 0.2, "c": 0.1}, rows_total=400, rows_min=100, seed=1)
    assert made.value is not None
    with store.writing() as session:
        for row in session.query(Window).all():
            kept = [one for one in row.findings if one["metric"] != made.metric]
            row.findings = [*kept, made.model_dump(mode="json")]
    shown = text(opened("explainability", monkeypatch, lending()))
    assert "Do requests still get their answers for the same reasons?" in shown
    assert "n = 1,200 · 2024-03-01" in shown  # four windows of 300 explained rows
    assert f"Newest window: {made.note}" in shown


def test_a_model_without_pairs_is_not_drawn_as_zero(traffic: Traffic, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.writing() as session:
        row = session.query(EvidenceRow).one()
        own = row.body["figures"]["explain"] | {"interactions": {"pairs": [], "share": 0.0, "partner": {}, "rows": 200, "rows_total": 1200}}
        session.execute(update(EvidenceRow).values(body=row.body | {"figures": {"explain": own}}))
    shown = text(opened("explainability", monkeypatch, lending()))
    assert "No two features act together: their effects add up. n = 200 of 1,200 rows." in shown
    assert "Features that act together" not in shown


def test_another_feature_can_be_chosen(traffic: Traffic, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened("explainability", monkeypatch, lending())
    next(one for one in app.selectbox if one.label == "Feature").set_value("region").run()
    assert not app.exception
    assert "What region adds" in text(app)


def test_evidence_without_the_figures_leaves_sections_out_and_says_so(traffic: Traffic, store: Store, monkeypatch: pytest.MonkeyPatch
                                                                      ) -> None:
    bare(store)
    found = newest(store)
    assert (explanations.method(found), explanations.pairs(found), explanations.mistakes(found)) == (None, None, None)
    assert (explanations.dependences(found), explanations.answers(found), explanations.cohorts(found)) == ({}, {}, [])
    shown = text(opened("explainability", monkeypatch, lending()))
    assert "What carries the answers" in shown
    assert "This evidence compares no groups" in shown
    assert "This evidence does not say what drives the mistakes" in shown
    assert "Features that act together" not in shown


def test_one_captured_answer_is_explained_on_the_button(traffic: Traffic, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = traffic.serve(0)
    poorest = str(frame.sort("income")["_request_id"][0])
    app = opened("explainability", monkeypatch, lending())
    app.text_input(key=f"request {NAME}").input(poorest)
    next(one for one in app.button if one.label == "Explain").click().run()
    assert not app.exception, [one.message for one in app.exception]
    shown = text(app)
    assert f"Request **{poorest}** was answered **1**" in shown
    assert "1. Income too low (" in shown
    assert "From the average answer to this one" in shown
    assert "- income " in shown.split("**What would turn the answer**")[1]
    drawn = next(one for one in app.get("plotly_chart") if '"waterfall"' in one.proto.spec)
    assert len(json.loads(drawn.proto.spec)["data"][0]["y"]) >= 2


@pytest.mark.parametrize(("asked", "said"), [
    ("nobody", "no prediction with this id was captured"), ("  ", "Type the id of a request first")])
def test_an_unknown_id_is_said_plainly(asked: str, said: str, traffic: Traffic, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened("explainability", monkeypatch, lending())
    app.text_input(key=f"request {NAME}").input(asked)
    next(one for one in app.button if one.label == "Explain").click().run()
    assert not app.exception
    assert said in text(app)
    assert "From the average answer" not in text(app)


def test_a_column_that_was_constant_and_then_alive_is_named_on_the_data_page(traffic: Traffic, store: Store) -> None:
    """The first 400 of 1,200 incomes are 0."""
    found = soundness(newest(store))
    assert any("income" in said and "the same value in the first 400 of 1,200 rows" in said for said in found.named), found.named
