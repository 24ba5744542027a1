"""The `drill` flow under a real Prefect server, and the command: what they answer and exit with (drills have tests of their own)."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from interlock.cli.main import app
from interlock.control.drills import drill as drills
from interlock.records.drills import record
from interlock.records.store import Store, utc_now
from interlock.records.tables import DrillRow

World = Any  # tests/control/conftest.py
NAME = "small_loans"
MEASURE = {"name": "detect", "verdict": "pass", "sentence": "the breach was seen after 2.0 s, at most 30 s allowed"}


@pytest.fixture
def found(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Flows and commands read their settings from the environment."""
    for name in ("home", "usecases_dir", "data_dir", "predictions_port", "control_port", "mlflow_port", "dashboard_port"):
        monkeypatch.setenv(f"INTERLOCK_{name.upper()}", str(getattr(world.settings, name)))
    return world


def rehearsed(verdict: str) -> Any:
    """In place of the real drill: a row is written, and who asked for it is kept."""

    def drill(settings: Any, store: Store, use_case: Any, *, started_by: str) -> DrillRow:
        with store.writing() as session:
            return record(session, use_case=use_case.name, verdict=verdict, sentence="rehearsed", started_by=started_by,
                          body={"measures": [MEASURE]}, started_at=utc_now(), finished_at=utc_now())

    return drill


@pytest.mark.end_to_end
def test_the_flow_answers_with_the_verdict_and_names_who_started_it(found: World, prefect_server: None,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.drill import drill

    monkeypatch.setattr(drills, "drill", rehearsed("pass"))
    assert drill(NAME, started_by="scheduler") == "pass"
    with found.store.reading() as session:
        assert session.query(DrillRow).one().started_by == "scheduler"


@pytest.mark.end_to_end
def test_a_scheduled_drill_of_nothing_is_no_failed_run(found: World, prefect_server: None) -> None:
    from flows.drill import drill

    assert drill(NAME) == "nothing of 'small_loans' is live: there is nothing to rehearse"


@pytest.mark.parametrize(("verdict", "code"), [("pass", 0), ("fail", 1)])
def test_the_command_exits_with_the_verdict(found: World, monkeypatch: pytest.MonkeyPatch, verdict: str, code: int) -> None:
    monkeypatch.setattr(drills, "drill", rehearsed(verdict))
    result = CliRunner().invoke(app, ["drill", NAME])
    assert result.exit_code == code
    assert "pass  the breach was seen after 2.0 s" in result.stdout
