"""The Drift page on windows that monitoring judged: every section with its figures, and what it says where a figure is not there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from reasons_world import NAME, lending, opened, served, text, trained
from sqlalchemy import update

from interlock.control.readmodel.drifting import BEFORE, TRAINED, by_cost, distances, how_cut, ranking, segments, why_no_previous
from interlock.control.readmodel.series import WindowRow, columns_of, window_rows
from interlock.control.readmodel.window_reports import reported, window_report
from interlock.control.readmodel.windows import window_signals, windows
from interlock.control.windows.window_evidently import window_folder
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
    columns = columns_of(window_rows(store, NAME))
    assert by_cost(columns, found)[0] == "income"
    assert set(by_cost(columns, None)) == set(by_cost(columns, found))
    assert by_cost(["b", "a"], None) == ["b", "a"]


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


def jump(store: Store) -> WindowRow:
    """The window in which incomes jumped."""
    return window_rows(store, NAME)[2]


PARTS = {
    "One column": [
        "income: PSI", "above the limit of 0.25: by the usual reading a large shift", "Luck alone would give about", "Its mean went from",
        "Distribution of income", "First over 0.25 in the window from", "Over it in 1 of 3 windows", "Largest jump from one window",
        "income within segments", "region=north"],
    "What it costs": ["The figures behind the order", "share of SHAP weight"],
    "Every distance": ["Every distance"],
    "All together": [
        "Share of columns that moved", "Answers (prediction drift)", "Outcomes (target drift)", "Do columns still belong together?",
        "Can a model tell the rows apart?", "version 1, held-out rows: 0.7", "Drift that matters"],
    "Segments": ["Share of columns that moved, by segment", "Cut by region"],
    "Limit on trial": ["Too few windows: 3 have this value, at least 10 are needed"],
    "Evidently": ["No window has a report"],
}


def test_each_part_of_the_page_has_its_figures(traffic: Traffic, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for part, phrases in PARTS.items():
        app = opened("drift", monkeypatch, lending(), window=jump(store).name, part=part)
        said = text(app) + "".join(one.label for one in app.expander) + "".join(str(list(one.value.columns)) for one in app.table)
        assert [phrase for phrase in ["Look first at income", "Columns × windows", "**Reasons**: ", *phrases] if phrase not in said] == []
        if part == "Every distance":
            table = app.dataframe[0].value
            assert list(table["against"][:2]) == [TRAINED, BEFORE]
            assert table["column"].iloc[0] == "income"


def test_a_cell_can_be_chosen_from_the_lists(traffic: Traffic, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened("drift", monkeypatch, lending())
    assert app.selectbox(key="address window").value == window_rows(store, NAME)[-1].name
    app.selectbox(key="address window").set_value(jump(store).name).run()
    app.selectbox(key="address column").set_value("region").run()
    assert not app.exception
    assert "Distribution of region" in text(app)
    assert app.query_params["window"] == jump(store).name
    assert app.query_params["column"] == "region"


def test_a_click_on_a_cell_chooses_its_column_and_window(traffic: Traffic, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from dashboard.components.drift import heat_map as drift_map

    put: dict[str, object] = {}
    monkeypatch.setattr(drift_map, "put", put.__setitem__)
    rows = window_rows(store, NAME)
    drift_map.pick({"selection": {"points": [{"customdata": len(rows) + 2}]}}, ["income", "region"], rows)
    assert put == {"column": "region", "window": rows[2].name, "part": "One column"}
    put.clear()
    for nothing in (None, {}, {"selection": {"points": []}}, {"selection": {"points": [{"customdata": 99}]}}):
        drift_map.pick(nothing, ["income", "region"], rows)
    assert put == {}


def test_missing_figures_are_neither_zero_nor_an_exception(traffic: Traffic, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows as they were before there was anything but PSI: the parts say so."""
    with store.writing() as session:
        for row in session.query(Window).all():
            kept = [one for one in row.findings if one["metric"] in {"drift.psi", "drift.share"}]
            values = {"findings": kept, "reports": {name: one for name, one in row.reports.items() if name != "series"}}
            session.execute(update(Window).where(Window.use_case == NAME, Window.start == row.start).values(**values))
    says = {"One column": "What the model leans on was not known", "What it costs": "This window was judged before columns were ranked",
            "Every distance": "judged before windows were compared with the one before them",
            "Segments": "No segment was compared in this window", "Evidently": "No window has a report",
            "Limit on trial": "The use-case file cannot be read"}
    for part, phrase in says.items():
        assert phrase in text(opened("drift", monkeypatch, None, part=part, window=jump(store).name)), part
    assert "Answers (prediction drift)" not in text(opened("drift", monkeypatch, None, part="All together"))


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
    app = opened("drift", monkeypatch, lending(), part="Evidently")
    said = ("5,000 of 8,000 training rows and 400 of 400 rows of the window, chosen by seed 7. Left out, without a value on one side: sex.")
    assert said in text(app)
    assert "Shown in a frame without network" not in text(app)
    read: list[Path] = []
    whole = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda self, *a, **k: (read.append(self), whole(self, *a, **k))[1])
    app.run()
    assert [one for one in read if one.suffix == ".html"] == []  # megabytes are read when somebody wants to look
    app.toggle[0].set_value(True).run()
    assert not app.exception
    assert "Shown in a frame without network and without access to this app." in text(app)


def test_a_report_that_failed_says_why(traffic: Traffic, store: Store) -> None:
    view = windows(store, NAME)[1]
    folder = window_folder(traffic.settings, NAME, view.start, view.end, view.package_digest)
    folder.mkdir(parents=True)
    (folder / "error.json").write_text('{"type": "DataError", "text": "too few rows"}')
    found = window_report(traffic.settings, NAME, window_rows(store, NAME)[1])
    assert found is not None
    assert (found.html, found.sentence) == (None, "It could not be made: DataError: too few rows")
    assert len(reported(traffic.settings, NAME, window_rows(store, NAME))) == 1
