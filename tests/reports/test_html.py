"""The evidence page: complete, self-contained, and nothing in the data can become markup."""

from __future__ import annotations

from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from interlock.rules.catalogue import gates_for
from interlock.rules.evidence import Evidence
from interlock.rules.findings import Finding, State
from interlock.rules.gates import judge
from interlock.spec.usecase import UseCase
from reports.html import evidence_html

ATTACK = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
FIGURES = {
    "performance": {"roc": {"false_positive_rate": [0, 0.2, 1], "true_positive_rate": [0, 0.7, 1]}},
    "calibration": {"bins": [{"rows": 10, "mean_score": 0.2, "mean_outcome": 0.25}]},
    "explain": {"importance": {ATTACK: 0.7, "age": 0.3}},
    "fairness": {ATTACK: {"groups": [{"group": ATTACK, "rows": 70, "selection_rate": 0.5, "true_positive_rate": None,
                                      "false_positive_rate": 0.1, "accuracy": 0.9, "base_rate": 0.4}]}},
}


class Tags(HTMLParser):
    """Collects tags and attributes, and checks that every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in {"meta", "br"} and not self.get_starttag_text().endswith("/>"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"rect", "line", "polyline"}:
            assert self.open.pop() == tag


@pytest.fixture
def use_case() -> UseCase:
    return UseCase.model_validate({
        "spec_version": 1, "name": "test_case", "title": f"Loans {ATTACK}", "description": ATTACK, "owner": "O",
        "prediction": {"task": "binary", "target": "y", "positive": ["yes"], "moment": "now", "meaning": ATTACK},
        "source": {"kind": "files", "files": [{"path": "x.csv"}]},
        "columns": {"y": {"type": "text", "role": "target"}, "x": {"type": "float"}}})


def evidence(use_case: UseCase, figures: dict) -> Evidence:
    findings = [Finding(metric="performance.auc", value=0.8, low=0.7, high=0.9, sample_size=1000, note=ATTACK, segment=ATTACK),
                Finding(metric="fairness.selection_rate_ratio", state=State.TOO_FEW,
                        note="not enough evidence: n = 14, at least 60 needed")]
    gates = [judge(gate, findings) for gate in gates_for(use_case)]
    return Evidence(use_case="test_case", candidate_id=ATTACK, package_digest="sha256:" + "a" * 64, policy_digest="sha256:" + "b" * 64,
                    champion_digest=None, snapshots=["sha256:" + "c" * 64], created_at=datetime(2024, 5, 4, tzinfo=UTC),
                    findings=findings, gates=gates, attachments={ATTACK: "sha256:" + "d" * 64}, figures=figures)


def parsed(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    tags.close()
    assert tags.open == []
    return tags


@pytest.mark.parametrize("figures", [{}, FIGURES])
def test_data_never_becomes_markup(use_case: UseCase, figures: dict) -> None:
    tags = parsed(evidence_html(evidence(use_case, figures), use_case))
    assert not tags.tags & {"script", "img", "iframe", "link", "object", "form", "a"}
    assert not {name for name in tags.attributes if name.startswith("on") or name in {"src", "href", "srcset"}}


def test_it_is_self_contained_and_forbids_everything_else(use_case: UseCase) -> None:
    page = evidence_html(evidence(use_case, FIGURES), use_case)
    assert "default-src 'none'" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "url(" not in page
    assert "@import" not in page
    assert "prefers-color-scheme:dark" in page


def test_it_tells_verdict_gates_findings_and_digests(use_case: UseCase) -> None:
    found = evidence(use_case, FIGURES)
    page = evidence_html(found, use_case)
    for gate in gates_for(use_case):
        assert gate.question in page
    for words in ("? UNKNOWN", "gates hold it back", "0.7 to 0.9", "not enough evidence: n = 14, at least 60 needed", found.seal(),
                  found.package_digest, "none yet", "2024-05-04T00:00:00.000000Z", "<svg"):
        assert words in page


def test_the_same_evidence_gives_the_same_page(use_case: UseCase) -> None:
    pages = {evidence_html(evidence(use_case, FIGURES), use_case) for _ in range(2)}
    assert len(pages) == 1


def test_odd_figures_draw_nothing(use_case: UseCase) -> None:
    odd = {"performance": {"roc": {}}, "calibration": {"bins": None}, "explain": {"importance": {}}, "fairness": {"sex": {"groups": []}},
           "unknown": 1}
    assert "<svg" not in evidence_html(evidence(use_case, odd), use_case)
