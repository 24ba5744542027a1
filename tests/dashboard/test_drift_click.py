"""A click on a cell of the drift map, in a real browser: Plotly's own selection, which no other test can make."""

from __future__ import annotations

import re

import pytest
from browser_room import Room, settled, viewer, visit, watch
from control_room_world import COLUMNS, FLIGHTS
from playwright.sync_api import Browser, expect

pytestmark = pytest.mark.browser
WINDOWS = 14


def test_a_click_on_a_cell_shows_that_column_in_that_window(control_room: Room, chromium: Browser) -> None:
    """Second row (the column that moved second most), fifth window; away from the middle of the cell, as people click."""
    with viewer(chromium, "light") as page:
        wrong = watch(page)
        visit(page, control_room, f"drift?use_case={FLIGHTS}&part=Every+distance", "Drift")
        area = page.locator(".nsewdrag").first
        area.scroll_into_view_if_needed()
        box = area.bounding_box()
        assert box is not None
        at = box["x"] + box["width"] * 4.7 / WINDOWS, box["y"] + box["height"] * 1.3 / len(COLUMNS)
        page.mouse.move(*at)
        page.mouse.click(*at)
        expect(page).to_have_url(re.compile(r"[?&]column=sched_arr_time"), timeout=20_000)
        expect(page).to_have_url(re.compile(r"[?&]window=\d{4}-\d\d-\d\dT00%3A00v2"))
        settled(page, "Drift")
        expect(page.get_by_text("Distribution of sched_arr_time")).to_be_visible()
        assert "part=" not in page.url  # one column is what the page shows by itself
        assert wrong == []
