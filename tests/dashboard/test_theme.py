"""Four states that differ in shape, colour and word; text that can be read on its background."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from dashboard.theme import DARK, LIGHT, LOOKS
from interlock.control.readmodel.signals import SignalState

THEME = tomllib.loads((Path(__file__).resolve().parents[2] / ".streamlit" / "config.toml").read_text())["theme"]
AA = 4.5  # WCAG 2.2, success criterion 1.4.3, contrast of text


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


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


def test_nothing_comes_from_outside() -> None:
    text = (Path(__file__).resolve().parents[2] / ".streamlit" / "config.toml").read_text()
    assert "http" not in text
