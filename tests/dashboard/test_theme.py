"""Four states that differ in shape, colour and word, for every kind of eye; text that can be read on its background."""

from __future__ import annotations

import tomllib
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from colour import BLINDNESS, ciede2000, contrast, difference

from dashboard.skin import SHEET
from dashboard.theme import DARK, LIGHT, LOOKS, Palette, template
from interlock.control.readmodel.signals import SignalState

THEME = tomllib.loads((Path(__file__).resolve().parents[2] / ".streamlit" / "config.toml").read_text())["theme"]
AA = 4.5  # WCAG 2.1, success criterion 1.4.3, contrast of text
GRAPHICS = 3.0  # WCAG 2.1, success criterion 1.4.11, contrast of what carries meaning without being text
STATES_APART, SERIES_APART = 12.0, 10.0  # CIEDE2000; 1 is just noticeable side by side, 10 is told apart at a glance across a chart
BOTH = pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])


def test_contrast_of_black_on_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)


def test_every_state_has_its_own_shape_colour_and_word() -> None:
    assert set(LOOKS) == set(SignalState)
    for part in ("shape", "word", "colour"):
        assert len({getattr(look, part) for look in LOOKS.values()}) == 4


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("name", ["green", "orange", "red", "gray", "blue"])
def test_badges_can_be_read(mode: str, name: str) -> None:
    assert contrast(THEME[mode][f"{name}TextColor"], THEME[mode][f"{name}BackgroundColor"]) >= AA


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_and_links_can_be_read(mode: str) -> None:
    for colour in ("textColor", "linkColor"):
        for background in ("backgroundColor", "secondaryBackgroundColor"):
            assert contrast(THEME[mode][colour], THEME[mode][background]) >= AA


@pytest.mark.parametrize(("palette", "mode"), [(LIGHT, "light"), (DARK, "dark")])
def test_charts_can_be_read_and_fit_the_page(palette: object, mode: str) -> None:
    background = THEME[mode]["backgroundColor"]
    assert getattr(palette, "background") == background  # noqa: B009 - two palettes, one test
    assert contrast(getattr(palette, "text"), background) >= AA  # noqa: B009
    assert contrast(getattr(palette, "quiet"), background) >= AA  # noqa: B009


def test_the_colour_difference_is_the_published_one() -> None:
    """Three pairs of Sharma, Wu and Dalal (2005), table 1: numbers 1, 17 and 34."""
    assert ciede2000((50, 2.6772, -79.7751), (50, 0, -82.7485)) == pytest.approx(2.0425, abs=5e-5)
    assert ciede2000((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387)) == pytest.approx(1.2644, abs=5e-5)
    assert ciede2000((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514)) == pytest.approx(0.9082, abs=5e-5)


def test_eyes_without_red_or_green_cones_hardly_tell_those_two_apart() -> None:
    """What the simulation is for: a pair that looks different to most, and the same to some."""
    assert difference("#b05f00", "#6f7a00") > 25
    assert difference("#b05f00", "#6f7a00", "protanopia") < 12


@BOTH
@pytest.mark.parametrize("blindness", list(BLINDNESS))
def test_every_eye_tells_the_states_and_the_series_apart(palette: Palette, blindness: str) -> None:
    for colours, least in ((tuple(palette.states.values()), STATES_APART), (palette.series, SERIES_APART)):
        near = {pair: round(difference(*pair, blindness), 1) for pair in combinations(colours, 2)}
        assert {pair: apart for pair, apart in near.items() if apart < least} == {}


@BOTH
def test_what_carries_meaning_stands_out_from_the_ground(palette: Palette) -> None:
    weak = {one: contrast(one, palette.background) for one in (*palette.states.values(), *palette.series)}
    assert {one: ratio for one, ratio in weak.items() if ratio < GRAPHICS} == {}


@BOTH
def test_the_ramp_of_a_heat_map_runs_one_way_from_the_ground(palette: Palette) -> None:
    """Whoever sees no hue reads it by its lightness alone."""
    ratios = [contrast(one, palette.background) for one in palette.ramp]
    assert all(before < after for before, after in pairwise(ratios))


@BOTH
def test_charts_wear_the_one_template(palette: Palette) -> None:
    look = template(palette).layout
    assert look.paper_bgcolor == palette.background  # or a saved picture of the dark page is white on nothing
    assert tuple(look.colorway) == palette.series
    assert contrast(look.xaxis.tickfont.color, palette.background) >= AA
    assert contrast(look.hoverlabel.font.color, look.hoverlabel.bgcolor) >= AA


def test_the_style_sheet_is_constant_and_asks_for_nothing() -> None:
    sheet = SHEET.read_text()
    assert [word for word in ("url(", "@import", "http", "{{", "expression(") if word in sheet] == []


def test_nothing_comes_from_outside() -> None:
    text = (Path(__file__).resolve().parents[2] / ".streamlit" / "config.toml").read_text()
    assert "http" not in text
