"""A trend the size of a word: a picture made of numbers alone, small enough to stand in a cell of a table."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

from dashboard.components.words import number

WIDTH, HEIGHT, PAD = 84, 20, 3
LINE, MARK = "#5b7f9e", "#d55e00"  # both stand out from a white and from a dark ground


def spark(values: Sequence[float | None], told: str, *, marked: Sequence[bool] = ()) -> str:
    """Markdown of the picture; `told` says the same for those who do not see it. Gaps stay gaps; `marked` points get a square.

    Empty text where fewer than two values were measured: one point is no trend.
    """
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    room = (high - low) or 1.0
    step = (WIDTH - 2 * PAD) / max(1, len(values) - 1)
    places = [
        None if value is None else (PAD + n * step, HEIGHT - PAD - (value - low) / room * (HEIGHT - 2 * PAD))
        for n, value in enumerate(values)
    ]
    runs: list[list[tuple[float, float]]] = [[]]
    for place in places:
        if place is None:
            runs.append([])
        else:
            runs[-1].append(place)
    lines = "".join(f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in run)}"/>' for run in runs if len(run) > 1)
    bad = "".join(
        f'<rect x="{place[0] - 2:.1f}" y="{place[1] - 2:.1f}" width="4" height="4" fill="{MARK}"/>'
        for place, wrong in zip(places, marked, strict=False)
        if place is not None and wrong
    )
    last = next(place for place in reversed(places) if place is not None)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f'<g fill="none" stroke="{LINE}" stroke-width="1.5" stroke-linejoin="round">{lines}</g>{bad}'
        f'<circle cx="{last[0]:.1f}" cy="{last[1]:.1f}" r="2.2" fill="{LINE}"/></svg>'
    )
    return f"![{told}](data:image/svg+xml;base64,{b64encode(svg.encode()).decode()})"


def spoken(name: str, values: Sequence[float | None]) -> str:
    """`AUC over 14 windows: 0.605 to 0.732, newest 0.677`."""
    known = [value for value in values if value is not None]
    if not known:
        return f"{name}: not measured"
    return f"{name} over {len(values)} windows: {number(min(known))} to {number(max(known))}, newest {number(known[-1])}"
