"""Small drawings (inline SVG, tables) for the evidence page, from plain figures. Shapes that are not as expected draw nothing."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

BARS_MAX = 15
SIDE = 200


def drawings(figures: Mapping[str, Any]) -> str:
    """The section with every picture that `figures` has data for; an empty text where there is none."""
    performance, calibration = _part(figures, "performance"), _part(figures, "calibration")
    explain, fairness = _part(figures, "explain"), _part(figures, "fairness")
    parts = [_roc(_part(performance, "roc")), _reliability(calibration.get("bins")), _importance(_part(explain, "importance"))]
    pictures = "".join(part for part in parts if part)
    tables = "".join(_groups(name, table) for name, table in fairness.items() if isinstance(table, Mapping))
    if not pictures and not tables:
        return ""
    return f'<section><h2>Pictures</h2><div class="pictures">{pictures}</div>{tables}</section>'


def _part(figures: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = figures.get(name)
    return found if isinstance(found, Mapping) else {}


def _roc(roc: Mapping[str, Any]) -> str:
    points = list(zip(roc.get("false_positive_rate") or [], roc.get("true_positive_rate") or [], strict=False))
    if len(points) < 2:
        return ""
    line = " ".join(f"{x * SIDE:.1f},{SIDE - y * SIDE:.1f}" for x, y in points)
    return _figure(_frame() + f'<polyline points="{line}" fill="none" stroke="var(--bar)" stroke-width="2"/>',
                   "ROC curve: cases found (up) against false alarms (right). The diagonal is chance.", SIDE)


def _reliability(bins: Any) -> str:
    if not isinstance(bins, list) or not bins:
        return ""
    dots = "".join(f'<circle cx="{row["mean_score"] * SIDE:.1f}" cy="{SIDE - row["mean_outcome"] * SIDE:.1f}" r="4" fill="var(--bar)">'
                   f'<title>{row["rows"]:,} rows</title></circle>' for row in bins)
    return _figure(_frame() + dots, "Calibration: what happened (up) against what was said (right). On the diagonal both agree.", SIDE)


def _importance(importance: Mapping[str, Any]) -> str:
    top = list(importance.items())[:BARS_MAX]
    largest = max((share for _, share in top), default=0.0)
    if largest <= 0:
        return ""
    bars = "".join(
        f'<text x="0" y="{place * 18 + 13}" font-size="11" fill="currentColor">{escape(name[:28])}</text>'
        f'<rect x="150" y="{place * 18 + 3}" width="{share / largest * 110:.1f}" height="12" fill="var(--bar)"/>'
        f'<text x="{155 + share / largest * 110:.1f}" y="{place * 18 + 13}" font-size="10" fill="currentColor">{share:.1%}</text>'
        for place, (name, share) in enumerate(top))
    return _figure(bars, "Importance: share of the mean size of each column's effect on the answer (SHAP).", 310, len(top) * 18 + 6)


def _groups(name: str, table: Mapping[str, Any]) -> str:
    groups = table.get("groups")
    if not isinstance(groups, list) or not groups:
        return ""
    rates = ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy", "base_rate")
    head = "".join(f'<th scope="col">{rate.replace("_", " ")}</th>' for rate in rates)
    rows = "".join(f'<tr><td>{escape(str(row["group"]))}</td><td class="n">{row["rows"]:,}</td>'
                   + "".join(f'<td class="n">{_percent(row.get(rate))}</td>' for rate in rates) + "</tr>" for row in groups)
    return (f'<div class="scroll"><table><caption>Groups by {escape(name)}; selection means the favourable answer</caption><thead><tr>'
            f'<th scope="col">group</th><th scope="col">rows</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>')


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _frame() -> str:
    return (f'<rect x="0" y="0" width="{SIDE}" height="{SIDE}" fill="none" stroke="var(--line)"/>'
            f'<line x1="0" y1="{SIDE}" x2="{SIDE}" y2="0" stroke="var(--soft)" stroke-dasharray="4 4"/>')


def _figure(drawing: str, caption: str, width: int, height: int | None = None) -> str:
    box = f"-4 -4 {width + 8} {(height or width) + 8}"
    return (f'<figure><svg viewBox="{box}" role="img" aria-label="{escape(caption)}">{drawing}</svg>'
            f"<figcaption>{escape(caption)}</figcaption></figure>")
