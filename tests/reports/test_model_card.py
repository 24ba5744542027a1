"""The model card: complete, from evidence alone, and nothing in the data can become markup."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from interlock.rules.catalogue import gates_for
from interlock.rules.evidence import Evidence
from interlock.rules.findings import Finding, State
from interlock.rules.gates import judge
from interlock.spec.usecase import UseCase
from reports.model_card import About, Part, card, completed
from reports.model_card_pages import card_html, card_markdown
from tests.reports.test_html import ATTACK, Tags

SECTIONS = ["Model details", "Intended use", "Data", "Model", "Metrics on held-out rows", "Slices", "Differences between groups",
            "Explanations", "Drift at validation", "Limits", "Gates", "Decisions"]
MANIFEST: dict[str, Any] = {
    "task": "binary", "threshold": 0.3, "xgboost_version": "3.2.0", "code_version": "0.1.0",
    "features": {"specs": [{"name": "age", "kind": "numeric"}, {"name": f"job{ATTACK}", "kind": "category"}]},
    "training": {"rows_train": 800, "rows_validation": 100, "rows_test": 200, "fit_span": ["2013-01-01T00:00:00Z", "2013-03-01T00:00:00Z"],
                 "split_note": "newest 20 % held out", "parameters": {"max_depth": 4, "eta": 0.1234567}, "rounds": 80, "seed": 1}}
DECISIONS = ({"at": "2024-01-02T00:00:00Z", "kind": "waive", "actor": "Grace", "reason": f"agreed {ATTACK}"},)


@pytest.fixture
def use_case() -> UseCase:
    return UseCase.model_validate({
        "spec_version": 1, "name": "test_case", "title": f"Loans {ATTACK}", "owner": "lending",
        "description": "For planning staff; not for safety decisions.",
        "prediction": {"task": "binary", "target": "y", "positive": ["yes"], "moment": "at application", "meaning": ATTACK},
        "source": {"kind": "files", "files": [{"path": "x.csv"}]},
        "columns": {"y": {"type": "text", "role": "target"}, "x": {"type": "float"}, "sex": {"type": "category", "role": "sensitive"}}})


@pytest.fixture
def evidence(use_case: UseCase) -> Evidence:
    findings = [
        Finding(metric="performance.auc", value=0.81234, low=0.7, high=0.9, sample_size=1000, note=ATTACK),
        Finding(metric="performance.auc", value=0.6, sample_size=80, segment=f"job={ATTACK}"),
        Finding(metric="performance.vs_champion", state=State.MISSING, note="no champion yet"),
        Finding(metric="fairness.selection_rate_ratio", value=0.7, sample_size=500, segment="attribute=sex"),
        Finding(metric="fairness.selection_rate_ratio", state=State.TOO_FEW, sample_size=14, needed=60, segment="sex=Other",
                note="not enough evidence: n = 14, at least 60 needed"),
        Finding(metric="drift.holdout_share", value=0.1, sample_size=200)]
    gates = [judge(gate, findings) for gate in gates_for(use_case)]
    return Evidence(use_case="test_case", candidate_id="c", package_digest="sha256:p", policy_digest="sha256:q", champion_digest=None,
                    snapshots=["sha256:s"], created_at=datetime(2024, 1, 1, tzinfo=UTC), findings=findings, gates=gates,
                    observed=[Finding(metric="latency.p99_ms", state=State.ERROR, note=f"TypeError: {ATTACK}")],
                    figures={"explain": {"importance": {"age": 0.7, "job": 0.3}}, "columns": {"missing": {"age": 0.25}}})


@pytest.fixture
def parts(evidence: Evidence, use_case: UseCase) -> list[Part]:
    return card(evidence, use_case, About(MANIFEST, version=3, started_by="scheduler", seal="sha256:seal", decisions=DECISIONS))


def cells(part: Part) -> list[tuple[str, ...]]:
    return [row for table in part.tables for row in table.rows]


def test_every_section_is_there_in_order(parts: list[Part]) -> None:
    assert [part.title for part in parts] == SECTIONS


def test_the_card_says_what_it_is_for_and_what_not(parts: list[Part]) -> None:
    assert parts[1].bullets == ("Not intended: not for safety decisions.",)
    assert "For planning staff; not for safety decisions." in parts[1].paragraphs


def test_figures_come_with_interval_n_and_reason(parts: list[Part]) -> None:
    rows = cells(parts[4])
    assert rows[0][:5] == ("performance.auc", "all", "0.8123", "0.7 to 0.9", "1,000")
    assert ("performance.vs_champion", "all", "missing", "", "0", "no champion yet") in rows
    assert ("age", "25.0%") in cells(parts[2])
    assert cells(parts[7]) == [("age", "70.0%"), ("job", "30.0%")]
    small = ("fairness.selection_rate_ratio", "sex=Other", "too few", "", "14", "not enough evidence: n = 14, at least 60 needed")
    assert small in cells(parts[6])


def test_limits_name_gates_exceptions_small_groups_errors_and_the_end_of_the_data(parts: list[Part]) -> None:
    said = " ".join(parts[9].bullets)
    for expected in ("Difference between groups: FAIL", "Exception by Grace", "on sex=Other: n = 14, 60 needed",
                     "latency.p99_ms could not be", "does not extrapolate", "never met"):
        assert expected in said


def test_decisions_and_seal_stand_on_the_card_that_is_written_later(parts: list[Part], evidence: Evidence, use_case: UseCase) -> None:
    assert cells(parts[11])[0][:3] == ("2024-01-02T00:00:00Z", "waive", "Grace")
    assert ("Evidence", "sha256:seal") in cells(parts[0])
    early = card(evidence, use_case, About(MANIFEST, version=3))
    assert ("Evidence", f"replayable section {evidence.replayable_digest()}") in cells(early[0])
    assert "before any decision" in early[11].paragraphs[0]


def test_the_sealed_card_completed_is_the_card_written_later(parts: list[Part], evidence: Evidence, use_case: UseCase) -> None:
    early = card(evidence, use_case, About(MANIFEST, version=3, started_by="scheduler"))
    assert completed(early, "sha256:seal", DECISIONS) == parts
    undecided = card(evidence, use_case, About(MANIFEST, version=3, started_by="scheduler", seal="sha256:seal"))
    assert completed(early, "sha256:seal", ()) == undecided != parts


def test_nothing_measured_makes_a_card_that_says_so(use_case: UseCase) -> None:
    bare = Evidence(use_case="t", candidate_id="c", package_digest="p", policy_digest="q", champion_digest=None, snapshots=[],
                    created_at=datetime(2024, 1, 1, tzinfo=UTC), findings=[], gates=[])
    made = card(bare, use_case, About({"task": "binary", "features": {"specs": []}}))
    assert [part.title for part in made] == SECTIONS
    assert "Nothing was measured." in card_markdown("T", made)
    assert "Nothing was measured." in card_html("T", made)


def test_no_text_becomes_markup(parts: list[Part], use_case: UseCase) -> None:
    page, tags = card_html(use_case.title, parts), Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.tags.isdisjoint({"script", "img", "a", "iframe", "link", "form"})
    assert not any(name.startswith("on") for name in tags.attributes)
    assert "@media print" in page
    text = card_markdown(use_case.title, parts)
    assert "<script>" not in text
    assert "<img" not in text
    assert all(line.count(" | ") == lines[0].count(" | ") for lines in tables_of(text) for line in lines)


def tables_of(markdown: str) -> list[list[str]]:
    """Runs of lines that begin with a bar; the line of dashes is left out."""
    found: list[list[str]] = [[]]
    for line in markdown.splitlines():
        if line.startswith("| "):
            found[-1].append(line)
        elif not line.startswith("|") and found[-1]:
            found.append([])
    return [lines for lines in found if lines]
