"""The parts of the Data page, each drawn by the world in which everything has happened once."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from interlock.settings import Settings

VIEW = Path(__file__).resolve().parents[2] / "dashboard" / "views" / "data.py"
SAID = {
    "Refused rows": ["Why rows were refused", "Take rows in again"],
    "Quality": [],
    "Columns over time": ["Not prepared yet: the next ingest or monitor run does it."],
    "Requests": [],
}


def part(name: str) -> AppTest:
    app = AppTest.from_file(str(VIEW), default_timeout=60)
    app.query_params["use_case"], app.query_params["part"] = "flight_delays", name
    app.run()
    assert not app.exception, [one.message for one in app.exception]
    return app


@pytest.mark.parametrize("name", SAID)
def test_each_part_is_drawn(world: Settings, name: str) -> None:
    app = part(name)
    shown = " ".join(str(one.value) for one in [*app.markdown, *app.header, *app.subheader]) + " ".join(one.label for one in app.expander)
    for words in SAID[name]:
        assert words.replace(":", "\\:") in shown or words in shown
    assert app.segmented_control[0].value == name


def test_refused_rows_of_a_viewer_stay_closed(world: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_PEOPLE", '{"Grace Approver": ["viewer"]}')
    app = part("Refused rows")
    assert not app.toggle
    assert not app.expander
    assert any("Single rows are shown to analysts" in one.value for one in app.caption)
