"""Groups so small that their figures would tell of single people: never listed, never named; only that there are such groups."""

from __future__ import annotations

from typing import Any

from interlock.rules.findings import Finding, State

TABLES = ("groups", "value_groups", "adverse_impact")
UNNAMED = "(groups too small to be named)"


def without_small(findings: list[Finding], tables: dict[str, Any], below: int) -> tuple[list[Finding], dict[str, Any]]:
    """Findings and figures of `fairness_findings`, `class_findings` or `value_findings` without groups of fewer than `below` rows.

    In the figures their rows are left out and counted as `suppressed`. The TOO_FEW findings about such groups become one per measure and
    attribute, without name and count, so that a gate on them still says UNKNOWN; names in `too_small` go as well. `below` 1: nothing
    changes. Denominators within larger groups (its positives, say) stay. Reason: `[privacy] suppress_below`; a rate of one row is the
    outcome of one person.
    """
    small: dict[str, set[str]] = {}
    kept = _tables(tables, below, small)
    listed = _listed(kept)
    told: list[Finding] = []
    seen: set[tuple[str, str]] = set()
    for finding in findings:
        attribute, _, group = finding.segment.partition("=")
        few = finding.state is State.TOO_FEW and finding.sample_size < below and (attribute, group) not in listed
        if attribute != "attribute" and group and (few or group in small.get(attribute, ())):
            if (finding.metric, attribute) not in seen:
                seen.add((finding.metric, attribute))
                told.append(_unnamed(finding, attribute, below))
            continue
        told.append(_without_names(finding, small.get(group.partition(", class=")[0], set())))
    return told, kept


def _tables(tables: dict[str, Any], below: int, small: dict[str, set[str]]) -> dict[str, Any]:
    """The tables without rows of small groups; `small` collects attribute → their names."""
    kept: dict[str, Any] = {}
    for name, table in tables.items():
        if name.startswith("_"):
            by_class = name == "_classes"
            kept[name] = {one: _tables(inner, below, small) for one, inner in table.items()} if by_class else _tables(table, below, small)
            continue
        gone = {str(row["group"]) for part in TABLES for row in table.get(part) or [] if row["rows"] < below}
        small.setdefault(name, set()).update(gone)
        kept[name] = {part: [row for row in rows if not {str(row["group"]), str(row.get("reference"))} & gone] if part in TABLES else rows
                      for part, rows in table.items()} | ({"suppressed": len(gone)} if gone else {})
    return kept


def _listed(tables: dict[str, Any]) -> set[tuple[str, str]]:
    """(attribute, group) of every group that the figures show."""
    found: set[tuple[str, str]] = set()
    for name, table in tables.items():
        if name == "_classes":
            found |= {one for inner in table.values() for one in _listed(inner)}
        elif name.startswith("_"):
            found |= _listed(table)
        else:
            found |= {(name, str(row["group"])) for part in TABLES for row in table.get(part) or []}
    return found


def _unnamed(finding: Finding, attribute: str, below: int) -> Finding:
    needed = f", at least {finding.needed:,} needed" if finding.needed else ""
    return finding.model_copy(update={"segment": f"{attribute}={UNNAMED}", "sample_size": 0,
                                      "note": f"not enough evidence: one or more groups rest on fewer than {below} rows{needed}"})


def _without_names(finding: Finding, small: set[str]) -> Finding:
    names = finding.detail.get("too_small")
    if not small or not names:
        return finding
    known = [name for name in names if name not in small]
    return finding.model_copy(update={"detail": finding.detail | {"too_small": [*known, UNNAMED] if len(known) < len(names) else known}})
