"""Staging on the Releases page and the drill's signal on the Overview: every state in words, shape and colour."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from control_room_world import FLIGHTS, NOW, XSS, endpoint, observed, slot
from sqlalchemy import update
from streamlit.testing.v1 import AppTest

from interlock.control.readmodel.directory import entries
from interlock.control.readmodel.drills import drill_signals
from interlock.control.readmodel.overview import overview
from interlock.control.readmodel.signals import SignalState
from interlock.records import drills
from interlock.records.store import Store
from interlock.records.tables import Release, ScheduleState
from interlock.rules.staging import Load, Smoke, judge, judge_load, judge_smoke
from interlock.settings import Settings
from interlock.spec.staging import Staging

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Smoke(asked=21, compared=21, source="golden rows")
REAL = Smoke(asked=100, compared=100, source="captured requests")


def staging(latency_ms: float = 6.0, attempt: int = 1, **smoke: Any) -> dict[str, Any]:
    """What staging writes down, by its own rules."""
    load = Load(50, 3, (4.0,) * 100 + (latency_ms,) * 50)
    facts = {"attempt": attempt, "rows": {"note": smoke.get("skipped", "")}}
    measures = [*judge_smoke(GOLDEN, Smoke(**smoke) if smoke else REAL), *judge_load(Staging(), load)]
    return judge(measures, facts).plain() | {"at": NOW.isoformat()}


def drilled(store: Store, days_ago: float, verdict: str = "pass", sentence: str = "rehearsed in 8.6 s", **facts: Any) -> None:
    at = NOW - timedelta(days=days_ago)
    body = {"measures": [], "facts": {"detect_s": 2.1, "canary_ms": 18.0, "live_ms": 0.0, "requests": 410, "failed": 0,
                                      "source": "captured requests"} | facts}
    with store.writing() as session:
        drills.record(session, use_case=FLIGHTS, verdict=verdict, sentence=sentence, started_by="scheduler", body=body, started_at=at,
                      finished_at=at)


@pytest.fixture
def weekly(world: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The world with a weekly drill of the flights; use-case files are copies."""
    folder = tmp_path / "weekly"
    folder.mkdir()
    for path in (ROOT / "usecases").glob("*.toml"):
        text = path.read_text()
        if path.stem == FLIGHTS:
            text = text.replace("[schedules]\n", '[schedules]\ndrill = "0 9 * * 1"\n') if "[schedules]" in text else \
                f'{text}\n[schedules]\ndrill = "0 9 * * 1"\n'
        (folder / path.name).write_text(text)
    monkeypatch.setenv("INTERLOCK_USECASES_DIR", str(folder))
    return world.model_copy(update={"usecases_dir": folder})


@pytest.fixture
def page(world: Settings) -> Iterator[Callable[[str], str]]:
    """Everything that a page says."""

    def open_page(name: str) -> str:
        alone = name != "overview"
        app = AppTest.from_file(str(ROOT / "dashboard" / (f"views/{name}.py" if alone else "app.py")), default_timeout=60)
        app.query_params["use_case"] = FLIGHTS
        if name == "overview":
            app.query_params["line"] = FLIGHTS
        app.run()
        assert not app.exception, [one.message for one in app.exception]
        parts = [*app.header, *app.subheader, *app.markdown, *app.caption, *app.code]
        cells = [str(cell) for one in app.dataframe for cell in one.value.to_numpy().ravel()]
        return "\n".join([*(str(one.value) for one in parts), *cells]).replace("\\", "").replace("\u2060", "")

    with endpoint(world.control_port, [observed()]):
        yield open_page


def analysed(store: Store, *found: dict[str, Any]) -> None:
    with store.writing() as session:
        session.execute(update(Release).where(Release.candidate_id == f"{FLIGHTS}-2").values(analysis=list(found)))


def test_a_staged_release_shows_every_measure_with_its_verdict(store: Store, page: Callable[[str], str]) -> None:
    analysed(store, staging())
    said = page("releases")
    assert "The way of a release" in said
    for sentence in ("golden: 21 of 21 rows (golden rows) answered as the package answers", "rows: 100 of 100 rows (captured requests)",
                     "latency: p99 6.0 ms", "errors: 0 failed and 0 refused of 150 requests"):
        assert sentence in said
    assert "No step was judged yet" in said  # staging is no step


def test_what_stopped_it_is_marked(store: Store, page: Callable[[str], str]) -> None:
    analysed(store, staging(latency_ms=900.0))
    assert ":red-badge[■ fail] latency: p99 900.0 ms" in page("releases")


def test_other_bytes_and_foreign_text_are_shown_as_text(store: Store, page: Callable[[str], str]) -> None:
    analysed(store, staging(asked=5, strangers=(XSS,), source="captured requests"))
    said = page("releases")
    assert ":red-badge[■ fail] identity:" in said


def test_not_staged_is_said(store: Store, page: Callable[[str], str]) -> None:
    analysed(store)
    assert "Not staged." in page("releases")


def test_drills_are_listed_with_their_figures(store: Store, page: Callable[[str], str]) -> None:
    drilled(store, 9)
    drilled(store, 2, "fail", "failed: the live version was not rolled back", live_ms=None)
    said = page("releases")
    assert "Drill**: failed: the live version was not rolled back" in said
    assert "■ fail" in said
    assert "● pass" in said
    assert "0 of 410" in said


def test_without_drills_the_page_says_how_to_do_one(page: Callable[[str], str]) -> None:
    assert "interlock drill flight_delays" in page("releases")


@pytest.mark.parametrize(("state", "word", "write"), [
    ("pass", "● pass] **Drill**", lambda store: drilled(store, 1)),
    ("fail", "■ fail] **Drill**", lambda store: drilled(store, 1, "fail", "failed: the breach was not seen")),
    ("warn", "▲ warn] **Drill**", lambda store: drilled(store, 11)),           # 7 days × 1.5 = 10.5
    ("unknown", "◇ unknown] **Drill**", lambda store: scheduled(store)),
])
def test_the_overview_has_the_drills_signal(weekly: Settings, store: Store, page: Callable[[str], str], state: str, word: str,
                                            write: Callable[[Store], None]) -> None:
    write(store)
    signal = drill_signals(store, entries(weekly, store))[FLIGHTS]
    assert signal.state is SignalState(state)
    assert word in page("overview")
    needs = [need for need in overview(weekly, store).needs if need.sentence.startswith("Drill: ")]
    assert [(need.page, need.state) for need in needs] == ([("releases", signal.state)] if state in {"fail", "warn"} else [])


def test_a_use_case_that_plans_no_drill_and_had_none_has_no_signal(world: Settings, store: Store) -> None:
    assert drill_signals(store, entries(world, store)) == {}


def test_a_failed_drill_outweighs_a_missing_one(weekly: Settings, store: Store) -> None:
    drilled(store, 30, "fail", "failed: nobody answered")
    assert drill_signals(store, entries(weekly, store))[FLIGHTS].state is SignalState.FAIL


def scheduled(store: Store) -> None:
    with store.writing() as session:
        session.add(ScheduleState(use_case=FLIGHTS, flow="drill", last_due=NOW))


def test_the_world_has_a_champion_to_rehearse() -> None:
    assert observed().champion == slot(2)
