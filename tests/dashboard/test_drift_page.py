"""The Drift page on windows that monitoring judged: every section with its figures, and what it says where a figure is not there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from reasons_world import NAME, lending, opened, served, text, trained
from sqlalchemy import update

from interlock.control.readmodel.drifting import BEFORE, TRAINED, by_cost, distances, how_cut, ranking, segments, why_no_previous
from interlock.control.readmodel.window_reports import reported, window_report
from interlock.control.readmodel.windows import drift_cells, window_signals, windows
from interlock.control.window_evidently import window_folder
from interlock.records.store import Store
from interlock.records.tables import Window
from interlock.rules.findings import Finding, State
from interlock.settings import Settings
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


def test_columns_are_ranked_by_what_their_drift_costs(traffic: Traffic, store: Store) -> None:
    """Only income moved, and the model leans on it: all of the cost is its own."""
    jumped = windows(store, NAME)[2]
    found = ranking(jumped)
    assert found is not None
    first = found.rows[0]
    assert first.column == "income"
    assert first.weighted == pytest.approx(first.effect * first.importance)
    assert first.share > 0.99
    assert sum(row.share for row in found.rows) == pytest.approx(1)
    if found.loss:
        assert sum(row.cost or 0.0 for row in found.rows) == pytest.approx(found.loss)
    assert by_cost(drift_cells([jumped]), found)[0] == "income"
    assert set(by_cost(drift_cells([jumped]), None)) == set(by_cost(drift_cells([jumped]), found))


def test_every_distance_stands_against_training_rows_and_the_window_before(traffic: Traffic, store: Store) -> None:
    views = windows(store, NAME)
    rows = {(row.column, row.against): row for row in distances(views[2], ["income"])}
    income, jump = rows["income", TRAINED], rows["income", BEFORE]
    own = {one.metric: one.value for one in views[2].findings if one.segment == "column=income"}
    assert income.values["psi"] == own["drift.psi"] > 0.25
    assert income.values["wasserstein"] == pytest.approx(1.2, abs=0.15)  # incomes rose by 1.2 standard deviations
    assert 0 < jump.values["js"] < 1
    assert income.values["unseen"] is None  # numbers have no listed values
    assert rows["region", TRAINED].values["ks"] is None
    assert why_no_previous(views[2]) == ""
    assert "no earlier window" in why_no_previous(views[0])
    assert (("income", BEFORE) in {(row.column, row.against) for row in distances(views[0], [])}) is False


def test_too_few_rows_have_no_distance_and_say_how_many_are_needed(traffic: Traffic, store: Store) -> None:
    few = windows(store, NAME)[3]
    row = next(row for row in distances(few, ["income"]) if row.against == TRAINED)
    assert set(row.values.values()) == {None}
    assert (row.sample_size, row.needed) == (60, 100)
    assert row.note == "not enough evidence: n = 60, at least 100 needed"


def test_segments_name_what_moved_and_how_rows_were_cut(traffic: Traffic, store: Store) -> None:
    found = segments(windows(store, NAME)[2])
    assert {one.name for one in found} == {"region=north", "region=south", "region=west"}
    assert all(one.share is None or one.moved == ("income",) for one in found)
    said = how_cut(windows(store, NAME)[2], lending())
    assert "Cut by region: of each column the eight most frequent values with at least 100 training rows" in said
    assert "No column is declared" in how_cut(windows(store, NAME)[2], None)


def test_the_page_shows_each_section_with_its_figures(traffic: Traffic, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened("drift", monkeypatch, lending())
    app.selectbox(key=f"window {NAME}").set_value(2).run()
    assert not app.exception
    shown = text(app)
    assert "Look first at income" in shown
    for phrase in ("Columns × windows", "Answers (prediction drift)", "Outcomes (target drift)", "Do columns still belong together?",
                   "Can a model tell the rows apart?", "version 1, held-out rows: 0.7", "Share of columns that moved, by segment",
                   "Drift that matters", "Every distance"):
        assert phrase in shown, phrase
    table = app.dataframe[0].value
    assert list(table["against"][:2]) == [TRAINED, BEFORE]
    assert table["column"].iloc[0] == "income"
    assert re.search(r"\*\*Reasons\*\*: ", shown)
    assert app.segmented_control[0].value == "by what it costs"


def test_missing_figures_are_neither_zero_nor_an_exception(traffic: Traffic, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows as they were before there was anything but PSI: the other sections say so."""
    with store.writing() as session:
        for row in session.query(Window).all():
            kept = [one for one in row.findings if one["metric"] in {"drift.psi", "drift.share"}]
            session.execute(update(Window).where(Window.use_case == NAME, Window.start == row.start).values(findings=kept))
    shown = text(opened("drift", monkeypatch, None))
    assert "This window was judged before columns were ranked" in shown
    assert "judged before windows were compared with the one before them" in shown
    assert "No segment was compared in this window" in shown
    assert "No window has a report" in shown
    assert "Answers (prediction drift)" not in shown


def test_a_failed_attribution_report_is_no_good_news(traffic: Traffic, store: Store) -> None:
    view = windows(store, NAME)[2]
    broken = Finding(metric="explain.attribution_drift", state=State.ERROR, note="disk full")
    kept = tuple(one for one in view.findings if one.metric != broken.metric)
    states = {one.name: one for one in window_signals(replace(view, findings=(*kept, broken)), lending())}
    assert states["Reasons"].state.value == "unknown"
    assert "disk full" in states["Reasons"].sentence
    assert states["Traffic"].state.value == "pass"


def test_evidently_is_shown_on_demand_with_its_sample(traffic: Traffic, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    view = windows(store, NAME)[2]
    folder = window_folder(traffic.settings, NAME, view.start, view.end, view.package_digest)
    folder.mkdir(parents=True)
    (folder / "evidently-drift.html").write_text("<p>the report</p>")
    sample = {"seed": 7, "reference_rows": 8000, "reference_used": 5000, "current_rows": 400, "current_used": 400}
    (folder / "evidently-drift.json").write_text(json.dumps({"sample": sample, "left_out": ["sex"]}))
    app = opened("drift", monkeypatch, lending())
    said = ("5,000 of 8,000 training rows and 400 of 400 rows of the window, chosen by seed 7. Left out, without a value on one side: sex.")
    assert said in text(app)
    assert "Shown in a frame without network" not in text(app)
    app.toggle[0].set_value(True).run()
    assert not app.exception
    assert "Shown in a frame without network and without access to this app." in text(app)


def test_a_report_that_failed_says_why(traffic: Traffic, store: Store) -> None:
    view = windows(store, NAME)[1]
    folder = window_folder(traffic.settings, NAME, view.start, view.end, view.package_digest)
    folder.mkdir(parents=True)
    (folder / "error.json").write_text('{"type": "DataError", "text": "too few rows"}')
    found = window_report(traffic.settings, NAME, view)
    assert found is not None
    assert (found.html, found.sentence) == (None, "It could not be made: DataError: too few rows")
    assert len(reported(traffic.settings, NAME, windows(store, NAME))) == 1
