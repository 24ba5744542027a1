"""Gates of a use case's own: complete, on findings that exist, judged like any other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from interlock.errors import UseCaseError
from interlock.rules.catalogue import gates_for
from interlock.rules.findings import Finding, State
from interlock.rules.gates import Gate, Verdict, judge
from interlock.rules.own_gates import CLOSED, OPEN, unknown_metric
from tests.rules.test_catalogue import use_case

OWN = {"metric": "quality.class_share", "segment": "class=yes", "direction": "at_least", "threshold": 0.1, "judge_by": "interval",
       "title": "Late flights in the data", "reason": "planning needs them", "source": "agreement of 2013"}
ROOT = Path(__file__).resolve().parents[2]


def own(**changes: object) -> Gate:
    return next(gate for gate in gates_for(use_case(gates={"enough_late": OWN | changes})) if gate.name == "enough_late")


def share(value: float, segment: str = "class=yes", **more: object) -> Finding:
    return Finding(**({"metric": "quality.class_share", "value": value, "low": value - 0.05, "high": value + 0.05, "segment": segment,
                       "sample_size": 500} | more))


def test_an_own_gate_judges_its_finding_and_segment() -> None:
    gate = own()
    assert (gate.mode, gate.title, "agreement of 2013" in gate.source, "planning needs them" in gate.source) == (
        "block", "Late flights in the data", True, True)
    assert judge(gate, [share(0.2), share(0.01, "class=no")]).verdict is Verdict.PASS
    result = judge(gate, [share(0.12)])
    assert (result.verdict, result.waivable) == (Verdict.UNKNOWN, True)
    assert "at least 0.1 needed from the whole interval" in result.sentence
    assert judge(own(segment=None), [share(0.2), share(0.01, "class=no")]).verdict is Verdict.FAIL


def test_an_own_gate_never_passes_on_absence() -> None:
    assert judge(own(), []).verdict is Verdict.UNKNOWN
    assert judge(own(), [share(0.2, state=State.MISSING, note="nothing yet")]).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("lacking", ["direction", "threshold", "reason", "source"])
def test_an_own_gate_must_be_complete(lacking: str) -> None:
    with pytest.raises(ValidationError, match=f"an own gate needs `{lacking}`"):
        use_case(gates={"enough_late": {key: value for key, value in OWN.items() if key != lacking}})


def test_keys_of_own_gates_are_refused_without_a_metric() -> None:
    with pytest.raises(ValidationError, match="direction: only for an own gate"):
        use_case(gates={"performance": {"direction": "at_least", "threshold": 0.6, "reason": "x"}})


def test_a_built_in_gate_cannot_be_replaced() -> None:
    with pytest.raises(UseCaseError, match="a gate of this name exists"):
        gates_for(use_case(gates={"performance": OWN}))


@pytest.mark.parametrize(("metric", "hint"), [
    ("quality.duplicat_share", "did you mean 'duplicate_share'"), ("qualty.duplicate_share", "did you mean 'quality'"),
    ("size.bytes", "allowed: size.package_mb"), ("weather.rain", "allowed: ")])
def test_a_metric_that_no_report_makes_is_refused_with_a_hint(metric: str, hint: str) -> None:
    with pytest.raises(UseCaseError, match=re.escape(hint)):
        gates_for(use_case(gates={"mine": OWN | {"metric": metric}}))


def test_metrics_of_reports_are_known() -> None:
    """Every finding that a report of a closed family makes is in the list, and every other family is named."""
    text = "\n".join(path.read_text() for folder in ("reports", "interlock/control") for path in (ROOT / folder).glob("*.py"))
    families = "|".join((*CLOSED, *OPEN))
    made = set(re.findall(rf'"((?:{families})\.[a-z0-9_]+)"', text))
    assert [metric for metric in sorted(made) if unknown_metric(metric, [])] == []
    gated = {gate.metric.partition(".")[0] for gate in gates_for(use_case())}
    assert gated - {*CLOSED, *OPEN} == set()
