"""The panel of the overview: what is prepared, what is lacking, how it is filtered, and that its cost does not grow with what it lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from control_room_world import FLIGHTS, LOANS, NOW, endpoint, observed, sha
from sqlalchemy import event, text, update
from streamlit.testing.v1 import AppTest
from test_pages import APP

from dashboard.components.overview.spark import spark, spoken
from interlock.control.decisions.undecided import FROM_INDEX, undecided, undecided_of_all
from interlock.control.preparing import prepare
from interlock.control.readmodel.directory import Entry, entries
from interlock.control.readmodel.lacking import freshness, lacks
from interlock.control.readmodel.overview import overview
from interlock.control.readmodel.panel import Trend, Watched, watched
from interlock.control.readmodel.signals import SignalState
from interlock.records import prepared as preparing
from interlock.records.prepared import prepared
from interlock.records.store import Store
from interlock.records.tables import Candidate, Prepared, RouteRow, Snapshot, Window
from interlock.rules.routes import Route
from interlock.settings import Settings

HOURLY = {"window_hours": 24.0, "watermark_hours": 1.0, "schedules": {"monitor": "0 * * * *"}}


@pytest.fixture
def served(world: Settings) -> Iterator[Settings]:
    with endpoint(world.control_port, [observed()]):
        yield world


def panel(**asked: str) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=60)
    for name, value in asked.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, [one.message for one in app.exception]
    return app


def lines(app: AppTest) -> list[str]:
    """The use cases on the panel, by the address that their titles lead to."""
    cells = [str(cell) for table in app.table for cell in table.value.iloc[:, 0]] if len(app.table) else []
    return [found[1] for cell in cells if (found := re.search(r"\(use_case\?use_case=(\w+)\)", cell))]


def test_the_trend_is_the_metric_that_the_model_is_judged_by(world: Settings, store: Store) -> None:
    seen = watched(store, entries(world, store))
    trend = seen[FLIGHTS].trend
    assert (trend.metric, trend.name, len(trend.values)) == ("performance.auc", "AUC", 14)
    assert trend.values[11] is None  # 700 - 60 × 11 = 40 outcomes: too few
    assert trend.newest == pytest.approx(0.70 - (10 / 13) ** 2 / 30)
    assert seen[LOANS].trend == Trend()
    assert {signal.sentence for signal in seen[LOANS].signals} == {"No window has been monitored yet."}


def test_a_window_that_is_judged_again_is_prepared_again(world: Settings, store: Store) -> None:
    before = watched(store, entries(world, store))[FLIGHTS]
    with store.writing() as session:
        newest = session.query(Window).order_by(Window.start.desc()).first()
        assert newest is not None
        findings = [one | {"value": 0.9} if one["metric"] == "drift.share" else one for one in newest.findings]
        newest.findings, newest.revision = findings, newest.revision + 1
    after = watched(store, entries(world, store))[FLIGHTS]
    drift = [next(one.state for one in seen.signals if one.name == "Drift") for seen in (before, after)]
    assert drift[1] is SignalState.FAIL
    assert drift[0] is not SignalState.FAIL


def test_what_the_keeper_prepared_is_not_made_again(world: Settings, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert prepare(world, store) == 2
    with store.reading() as session:
        assert {(row.kind, row.name) for row in session.query(Prepared)} >= {("windows", FLIGHTS)}
    first = overview(world, store).rows
    monkeypatch.setattr(preparing, "_HELD", {})  # another process
    monkeypatch.setattr("interlock.control.readmodel.panel._body", None)
    monkeypatch.setattr("interlock.control.readmodel.directory._facts", None)
    assert [row.signals[1] for row in overview(world, store).rows] == [row.signals[1] for row in first]


def test_a_value_belongs_to_its_key(store: Store) -> None:
    def make(name: str, old: dict[str, object] | None) -> dict[str, object]:
        return {"made": name, "after": None if old is None else old["made"]}

    assert prepared(store, "test", {"a": "1"}, make, keep=True) == {"a": {"made": "a", "after": None}}
    assert prepared(store, "test", {"a": "1"}, make) == {"a": {"made": "a", "after": None}}
    assert prepared(store, "test", {"a": "2"}, make) == {"a": {"made": "a", "after": "a"}}
    prepared(store, "test", {"b": "1"}, make, keep=True)
    with store.reading() as session:
        assert [row.name for row in session.query(Prepared).filter_by(kind="test")] == ["b"]


def test_a_window_that_cannot_be_read_is_said_and_stops_nobody_else(served: Settings, store: Store) -> None:
    with store.writing() as session:
        session.execute(update(Window).values(findings=[{"metric": 7}]))
    shown = overview(served, store)
    drift = {row.entry.name: row.signals[1] for row in shown.rows}
    assert drift[FLIGHTS].state is SignalState.UNKNOWN
    assert drift[FLIGHTS].sentence.startswith("The newest windows cannot be read: ")
    assert drift[LOANS].sentence == "No window has been monitored yet."


@pytest.mark.parametrize(
    ("hours", "state"),
    [
        (49, SignalState.PASS),
        (51, SignalState.WARN),
        (99, SignalState.WARN),
        (101, SignalState.FAIL),
    ],  # 25 h: warns after 50, fails after 100
)
def test_freshness_goes_by_the_length_of_a_window(hours: int, state: SignalState) -> None:
    seen = Watched((), Trend(), 3, NOW, NOW - timedelta(hours=hours))
    assert freshness(Entry("a", "A", "o", facts=HOURLY), True, None, seen, NOW).state is state


def test_what_was_never_watched_is_no_pass() -> None:
    entry, never = Entry("a", "A", "o", facts=HOURLY), Watched((), Trend())
    assert freshness(entry, False, None, never, NOW).state is SignalState.UNKNOWN
    assert freshness(entry, True, NOW - timedelta(hours=49), never, NOW).state is SignalState.UNKNOWN  # the first is not due yet
    late = freshness(entry, True, NOW - timedelta(hours=51), never, NOW)
    assert late.state is SignalState.FAIL
    assert [one.kind for one in lacks(entry, True, never, late)] == ["monitor"]
    assert lacks(entry, False, never, late) == ()


def test_labels_that_never_come_are_said() -> None:
    entry = Entry("a", "A", "o", facts=HOURLY)
    fresh = freshness(entry, True, None, Watched((), Trend(), 3, NOW, NOW), NOW)
    never = Watched((), Trend(), 3, NOW, NOW, unlabelled=3)
    assert [one.sentence for one in lacks(entry, True, never, fresh)] == [
        "Not one outcome in its newest 3 windows: nobody knows how good it is."
    ]
    assert lacks(entry, True, Watched((), Trend(), 12, NOW, NOW, unlabelled=2), fresh) == ()  # they come late, and they come
    unscheduled = Entry("a", "A", "o", facts=HOURLY | {"schedules": {}})
    assert [one.kind for one in lacks(unscheduled, True, Watched((), Trend(), 3, NOW, NOW), fresh)] == ["monitor"]


def test_what_waits_is_the_same_for_all_as_for_each(world: Settings, store: Store) -> None:
    for champion in (2, 1):  # as after a rollback: version 3 was compared with version 2
        with store.writing() as session:
            route = Route.model_validate(session.get_one(RouteRow, FLIGHTS).body)
            changed = route.model_copy(update={"champion": route.champion if champion == 2 else route.previous})
            session.get_one(RouteRow, FLIGHTS).body = changed.model_dump(mode="json")
        with store.reading() as session:
            each = {name: undecided(world, session, name) for name in (FLIGHTS, LOANS)}
            policies = {one.name: one.policy_digest for one in entries(world, store) if one.started}
            assert undecided_of_all(session, policies) == each
        assert bool(each[FLIGHTS]) is (champion == 2)


def statements(settings: Settings, store: Store) -> int:
    """How many statements one overview sends."""
    sent: list[str] = []

    def count(*told: object) -> None:
        sent.append(str(told[2]))

    event.listen(store.engine, "before_cursor_execute", count)
    try:
        overview(settings, store)
    finally:
        event.remove(store.engine, "before_cursor_execute", count)
    return len([one for one in sent if not one.startswith("BEGIN")])


def test_forty_more_use_cases_cost_not_one_query_more(served: Settings, store: Store) -> None:
    overview(served, store)
    few = statements(served, store)
    with store.writing() as session:
        for number in range(40):
            name = f"case_{number}"
            session.add(
                Snapshot(digest=sha(name), use_case=name, rows=9, quarantined=0, time_from=NOW, time_to=NOW, manifest={}, created_at=NOW)
            )
            session.add(
                Candidate(id=name, use_case=name, number=1, package_digest=sha(name), snapshot_digest=sha(name), spec_digest=sha(name),
                          author="A", started_by="B", metrics={}, created_at=NOW)
            )  # fmt: skip
    overview(served, store)
    assert len(overview(served, store).rows) == 42
    assert statements(served, store) == few


def test_what_waits_is_read_from_an_index_without_one_body_of_evidence(world: Settings, store: Store) -> None:
    with store.reading() as session:
        plan = session.execute(text(f"EXPLAIN QUERY PLAN {FROM_INDEX}")).all()
    assert [row[-1] for row in plan] == ["SCAN evidence USING COVERING INDEX evidence_rests"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [FLIGHTS, LOANS]),
        ({"find": "MORTGAGE"}, [LOANS]),
        ({"owner": "lending"}, [LOANS]),
        ({"state": "warn"}, [FLIGHTS]),
        ({"order": "title"}, [FLIGHTS, LOANS]),
        ({"waiting": "yes"}, [FLIGHTS, LOANS]),
        ({"lacking": "labels"}, []),
    ],
)
def test_a_view_is_a_link(served: Settings, asked: dict[str, str], found: list[str]) -> None:
    app = panel(**asked)
    assert lines(app) == found
    if not found:
        assert "No use case fits this view." in [one.value for one in app.markdown]


def test_a_shape_tells_its_sentence_and_leads_to_its_page(served: Settings) -> None:
    cell = str(panel().table[0].value["Data"].iloc[0])
    assert cell.replace("\\", "").startswith(f'[:green[●]](data?use_case={FLIGHTS} "Data, pass: 24 of 137,024 rows refused (0.02%)')


def test_a_trend_is_drawn_from_numbers_alone() -> None:
    assert spark([0.5, None], "x") == ""
    drawn = spark([0.0, 1.0, None, 0.5, 0.5], "AUC", marked=[True, False, False, False, False])
    assert drawn.startswith("![AUC](data:image/svg+xml;base64,")
    assert spoken("AUC", [0.5, None, 0.7]) == "AUC over 3 windows: 0.5 to 0.7, newest 0.7"
    assert spoken("AUC", [None]) == "AUC: not measured"
