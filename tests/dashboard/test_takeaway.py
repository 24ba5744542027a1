"""A chart to take along: its values as a table, a file name that says what it holds, its times in the viewer's zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.components.chart import in_viewers_zone
from dashboard.components.takeaway import csv_of, file_name, rows_of

NOON = datetime(2013, 5, 4, 12, tzinfo=UTC)


def test_a_file_name_says_title_use_case_and_window_and_is_safe() -> None:
    assert file_name("Drift by column", "flight_delays", "2013-05-04 00:00 UTC") == "drift-by-column_flight_delays_2013-05-04-0000-utc"
    assert file_name("../../<b>", "", "") == "b"
    assert file_name("", "", "") == "chart"
    assert len(file_name("x" * 500)) == 120


def test_a_table_has_every_column_times_in_utc_and_empty_cells_for_what_is_missing() -> None:
    berlin = NOON.astimezone(tz=None)
    rows = [{"at": berlin, "value": 0.5}, {"at": NOON, "value": None, "note": 'two "words", three'}, {"value": float("nan")}]
    assert csv_of(rows).decode("utf-8-sig").split("\r\n") == [
        "at,value,note",
        "2013-05-04T12:00:00+00:00,0.5,",
        '2013-05-04T12:00:00+00:00,,"two ""words"", three"',
        ",,",
        "",
    ]


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\tx"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert csv_of([{"name": text}]).decode("utf-8-sig").split("\r\n")[1].startswith("'")


def test_numbers_below_zero_stay_numbers() -> None:
    assert csv_of([{"value": -0.5}]).decode("utf-8-sig").split("\r\n")[1] == "-0.5"


def test_lines_bars_intervals_and_heat_maps_give_their_values_back() -> None:
    figure = go.Figure()
    figure.add_scatter(x=[1, 2, 2, 1], y=[4, 5, 3, 2], fill="toself", hoverinfo="skip")  # top forth, bottom back
    figure.add_scatter(x=[0, 9], y=[0, 9], hoverinfo="skip")
    figure.add_scatter(x=[1, 2], y=[3, None], name="&lt;b&gt;")
    figure.add_bar(x=[0.5], y=["a"], error_x={"array": [0.1], "arrayminus": [0.25]})
    assert rows_of(figure) == [
        {"series": "interval", "x": 1, "low": 2, "high": 4},
        {"series": "interval", "x": 2, "low": 3, "high": 5},
        {"series": "&lt;b&gt;", "x": 1, "y": 3},
        {"series": "&lt;b&gt;", "x": 2, "y": None},
        {"x": 0.5, "y": "a", "x low": 0.25, "x high": 0.6},
    ]
    assert "<b>,1,,,3" in csv_of(rows_of(figure)).decode()
    heat = go.Figure(go.Heatmap(z=[[1.0, None]], x=["mon", "tue"], y=["hour"]))
    assert rows_of(heat) == [{"x": "mon", "y": "hour", "value": 1.0}, {"x": "tue", "y": "hour", "value": None}]


def test_points_and_lines_stand_where_the_viewers_clock_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.components.zone.st.context", SimpleNamespace(timezone="Asia/Tokyo"))
    figure = go.Figure(go.Scatter(x=[NOON, NOON + timedelta(hours=1)], y=[1, 2]))
    figure.add_vline(x=NOON)
    drawn = in_viewers_zone(figure)
    assert list(drawn.data[0].x) == [datetime(2013, 5, 4, 21), datetime(2013, 5, 4, 22)]
    assert drawn.layout.shapes[0].x0 == datetime(2013, 5, 4, 21)
    assert rows_of(figure)[0]["x"] == NOON


def page() -> None:
    import plotly.graph_objects as go

    from dashboard.components import chart

    class Rows(list):  # type: ignore[type-arg]
        def __iter__(self):  # type: ignore[no-untyped-def]
            raise RuntimeError("built before anybody asked")

    chart.draw(go.Figure(go.Scatter(x=[1], y=[1])), title="One", about="A point.", unit="points", n=1200, rows=Rows())


def test_a_chart_offers_its_values_and_builds_no_file_before_the_click() -> None:
    shown = AppTest.from_function(page, default_timeout=20).run()
    assert not shown.exception
    assert shown.get("download_button")[0].proto.label == "CSV"
    assert shown.caption[0].value == "unit: points · n \\= 1,200"
