"""A small real model that answered four days of real requests: evidence and windows as the reports make them, pages opened on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from interlock.control.readmodel.directory import Entry
from interlock.modeling.making import make_package
from interlock.modeling.package import Package
from interlock.records.store import Store, utc_now
from interlock.records.tables import Candidate, EvidenceRow
from interlock.rules.evidence import Evidence
from interlock.rules.findings import Finding
from interlock.settings import Settings
from interlock.spec.usecase import UseCase
from reports.cohorts import cohort_figure
from reports.dependence import dependence_figure, dependence_shades
from reports.drift_domain import domain_finding
from reports.explain import beeswarm, explain_findings
from reports.interactions import interaction_findings, interaction_values
from reports.loss_attribution import loss_contributions, loss_findings, margin_losses
from reports.partial_dependence import dependence_curves
from reports.quality_alive import alive_findings
from reports.shapley import explain_rows
from tests.control.traffic import SPEC, Traffic, copy_package, people, spec

VIEWS = Path(__file__).resolve().parents[2] / "dashboard" / "views"
NAME = "small_loans"
ROWS = 1200
COLUMNS = {"income": SPEC["columns"]["income"] | {"reason_low": "Income too low", "actionable": "increase", "step": 0.25},
           "region": SPEC["columns"]["region"] | {"title": "Region"}}


def lending() -> UseCase:
    """Small loans, watched by region too; an answer of 'not late' is the favourable one."""
    return spec(columns=COLUMNS, fairness={"favourable": "negative"}, monitoring={"segments": ["region"]})


def trained(root: Path) -> str:
    """Digest of a real package in this folder."""
    made = make_package(root, lending(), people(8000, 1), snapshot_digest="sha256:" + "0" * 64, spec_digest="sha256:" + "1" * 64)
    return made.package.digest


def served(settings: Settings, store: Store, made: tuple[Path, str]) -> Traffic:
    """Evidence about version 1, then four days of requests: on the third incomes jump, on the fourth few come."""
    copy_package(*made, settings)
    traffic = Traffic(settings, store, made[1], lending())
    validated(store, traffic)
    for day, rows, shift in ((0, 400, 0.0), (1, 400, 0.0), (2, 400, 1.2), (3, 60, 0.0)):
        traffic.label(traffic.serve(day, rows, shift=shift), day + 0.5)
    traffic.monitor(6)
    return traffic


def validated(store: Store, traffic: Traffic, **changes: Any) -> None:
    """Write the candidate and its evidence; `changes` replace figures under `explain`."""
    findings, figures = explained(traffic.package)
    body = Evidence(use_case=NAME, candidate_id="small-1", package_digest=traffic.digest, policy_digest="sha256:" + "1" * 64,
                    champion_digest=None, snapshots=["sha256:" + "0" * 64], created_at=utc_now(), findings=findings, gates=[],
                    figures={"explain": figures | changes}, attachments={})
    with store.writing() as session:
        session.add(Candidate(id="small-1", use_case=NAME, number=1, package_digest=traffic.digest, snapshot_digest="sha256:" + "0" * 64,
                              spec_digest="sha256:" + "1" * 64, author="Ada Author", started_by="test", metrics={}, created_at=utc_now()))
        session.flush()
        session.add(EvidenceRow(digest=body.seal(), use_case=NAME, candidate_id="small-1", verdict=body.verdict.value,
                                body=body.model_dump(mode="json"), created_at=body.created_at))


def explained(package: Package) -> tuple[list[Finding], dict[str, Any]]:
    """Findings and figures of the real reports on 1,200 applicants that the model never saw."""
    model, space, frame = package.open_model(), package.manifest.features, people(ROWS, 9)
    values, labels = space.encode_frame(frame), frame["_label"].to_numpy()
    made = explain_rows(model.booster, values, space.feature_types, threads=1)
    shap, names, order = made.contributions, space.names, ["income", "region"]
    categories = {"region": next(one.categories for one in space.specs if one.name == "region")}
    found, figures = explain_findings(shap, made.margins, names, rows_total=ROWS,
                                      champion_importance=dict(zip(names, (0.5, 0.3, 0.2), strict=False)))
    acting = interaction_values(model.booster, values[:200], space.feature_types, threads=1)
    acting[:, 0, 1] = acting[:, 1, 0] = 0.01 * values[:200, 0]  # this model's trees hold no pair: one is made up for the drawing
    pairs, together = interaction_findings(acting, names, rows_total=ROWS)
    masks = {f"sex: {sex}": (frame["sex"] == sex).to_numpy() for sex in ("f", "m")} | {"few": np.arange(ROWS) < 5}
    north = {f"region={name}": (frame["region"] == name).to_numpy() for name in ("north", "south")}
    losses, shares = margin_losses("binary", made.margins, labels), loss_contributions("binary", shap, labels)
    drivers, loss = loss_findings("binary", losses, shares, names, north, rows_min=60)
    later = frame.with_columns(pl.col("income") + 0.8)
    kinds = {"income": "numeric", "region": "category"}
    domain = domain_finding(frame, later, kinds, lambda fit, marks, held: (held[:, 0], np.array([1.0, 0.0])), rows_min=100, seed=1,
                            family="drift.holdout_")
    dead = frame.select(income=pl.when(pl.arange(ROWS) < 400).then(0.0).otherwise(pl.col("income")))
    alive = alive_findings(dead, ["income"], pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 2, 19, 23), "1h", eager=True))
    parts = {
        "shapley": made.as_figure(), "interactions": together, "beeswarm": beeswarm(shap, values.astype(np.float64), names, seed=1),
        "dependence": dependence_figure(shap, values.astype(np.float64), names, order=order, partner=together["partner"],
                                        categories=categories, seed=1),
        "dependence_shades": dependence_shades(values.astype(np.float64), names, order=names, seed=1),
        "partial_dependence": {"class": None, "features": dependence_curves(
            lambda matrix: model.score(matrix).astype(np.float64), values, names, order=order, categories=categories, seed=1)},
        "cohorts": {"cohorts": cohort_figure(shap, made.margins, names, masks, rows_min=60)}, "loss": loss,
        "interventional": {"importance": {"income": 0.9, "region": 0.1}, "rows": 500, "kind": "interventional", "background_rows": 200}}
    return [*found, *pairs, *drivers, domain, *alive], figures | parts


def opened(page: str, monkeypatch: pytest.MonkeyPatch, use_case: UseCase | None, **address: str) -> AppTest:
    """The page of this one use case; `address`: what else the address says."""
    def entries(settings: Settings, store: Store) -> list[Entry]:
        return [Entry(NAME, "Small loans", "lending", use_case, started=True)]

    monkeypatch.setattr("dashboard.components.frame.entries", entries)
    app = AppTest.from_file(str(VIEWS / f"{page}.py"), default_timeout=60)
    for name, value in {"use_case": NAME, **address}.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, [one.message for one in app.exception]
    return app


def text(app: AppTest) -> str:
    """Everything that the page says, without what keeps foreign text from becoming Markdown."""
    parts = [*app.header, *app.subheader, *app.markdown, *app.caption, *app.error, *app.warning, *app.info]
    cells = [str(cell) for one in app.table for cell in one.value.to_numpy().ravel()]
    return "\n".join([*(str(one.value) for one in parts), *cells]).replace("\\", "").replace("\u2060", "")
