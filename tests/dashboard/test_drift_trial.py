"""A limit on trial, on the page: what it would have done, and the change of the use-case file to take along."""

from __future__ import annotations

from pathlib import Path

import pytest
from control_room_world import FLIGHTS
from streamlit.testing.v1 import AppTest

from interlock.settings import Settings

VIEW = Path(__file__).resolve().parents[2] / "dashboard" / "views" / "drift.py"


def opened(**address: str) -> AppTest:
    app = AppTest.from_file(str(VIEW), default_timeout=60)
    for name, value in {"use_case": FLIGHTS, "part": "Limit on trial", **address}.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, [one.message for one in app.exception]
    return app


def said(app: AppTest) -> str:
    parts = [*app.markdown, *app.caption, *app.info, *app.warning, *app.error]
    return "\n".join(one.value for one in parts).replace("\\", "").replace("\u2060", "")


def test_a_limit_is_tried_and_becomes_a_proposed_change(world: Settings) -> None:
    """The column that moves most goes from 0.01 to 0.32 with the square of time: over 0.2 in windows 11, 12 and 13 of 0 to 13."""
    app = opened(limit_psi="0.2", ahead="1")
    assert "In the last 14 days (14 windows) this would have alarmed 3 times in 1 stretch" in said(app)
    assert "Performance was never really lost in this time" in said(app)
    limits = list(app.table[0].value["limit"])
    assert "0.2 (on trial)" in limits
    assert "0.25 (now)" in limits
    diff = app.code[0].value
    assert "+drift_psi_max = 0.2\n" in diff
    assert diff.startswith("--- a/usecases/flight_delays.toml")
    assert "The file has one PSI limit for all columns" in said(app)


def test_the_present_limit_is_no_change(world: Settings) -> None:
    app = opened()
    assert list(app.code) == []
    assert "Choose another limit" in said(app)


def test_a_value_that_the_file_refuses_is_said(world: Settings) -> None:
    assert "this change cannot be proposed" in said(opened(limit_psi="0.0"))


def test_who_may_not_propose_gets_no_diff(world: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.desk.Desk.may", lambda self, action: action != "propose")
    app = opened(limit_psi="0.2")
    assert list(app.code) == []
    assert "needs the role analyst" in said(app)


def test_other_metrics_have_their_own_limit(world: Settings) -> None:
    app = opened(watch="drift.share", limit_share="0.1")
    assert "+drift_share_max = 0.1\n" in app.code[0].value
