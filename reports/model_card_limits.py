"""The limits of a model, found by themselves: gates that do not pass, groups too small, and where the data ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from interlock.rules.evidence import Evidence
from interlock.rules.findings import State
from interlock.rules.gates import Verdict
from interlock.spec.usecase import UseCase

SHOWN = 12


def limits(evidence: Evidence, use_case: UseCase, manifest: Mapping[str, Any], decisions: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """One sentence per limit, the gravest first; never empty, because every model ends where its data ends."""
    yield from waived(decisions)
    yield from _gates(evidence)
    yield from _small(evidence)
    yield from _extrapolation(use_case, manifest)
    yield "The card describes the model at the time of its validation; what happens after is on the monitoring pages."


def waived(decisions: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Who let it pass despite a gate, and why."""
    for one in decisions:
        if one["kind"] == "waive":
            yield f"Exception by {one['actor']}: {one['reason']}"


def _gates(evidence: Evidence) -> Iterator[str]:
    for result in evidence.gates:
        if result.verdict is not Verdict.PASS:
            effect = "" if result.mode == "block" else " (observed only)"
            yield f"{result.sentence}{effect}"


def _small(evidence: Evidence) -> Iterator[str]:
    """Findings with too few rows, each once; and reports that failed."""
    small = [finding for finding in evidence.findings if finding.state is State.TOO_FEW]
    for finding in small[:SHOWN]:
        needed = f", {finding.needed:,} needed" if finding.needed else ""
        yield f"Too few rows for {finding.metric} on {finding.segment}: n = {finding.sample_size:,}{needed}."
    if len(small) > SHOWN:
        yield f"Too few rows for {len(small) - SHOWN:,} further figures."
    for finding in [*evidence.findings, *evidence.observed]:
        if finding.state is State.ERROR:
            yield f"{finding.metric} could not be measured: {finding.note}"


def _extrapolation(use_case: UseCase, manifest: Mapping[str, Any]) -> Iterator[str]:
    span = manifest.get("training", {}).get("fit_span") or []
    if use_case.timed and len(span) == 2:
        yield f"It learned from events from {span[0]} to {span[1]}; nothing is proven about other times."
    known = [spec for spec in manifest["features"]["specs"] if spec["kind"] == "category"]
    if known:
        yield (f"Values of {', '.join(spec['name'] for spec in known[:SHOWN])} that it never met count as missing; "
               "answers to them are flagged, not proven.")
    if any(spec["kind"] in {"numeric", "derived"} for spec in manifest["features"]["specs"]):
        yield "Trees answer numbers beyond the range that was learned as if they lay at its end: there it does not extrapolate."
    if manifest["task"] != "regression" and not manifest.get("calibration"):
        yield "Scores are probabilities only as far as the calibration above holds."
