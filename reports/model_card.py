"""The model card: what a model is for, what it was made of, how well it does for whom, and its limits, all from sealed evidence.

Sections after Mitchell et al. 2019, 'Model cards for model reporting'. Nothing is written by hand: what evidence and use case do not
say, the card says is not known. `model_card_pages` writes it as HTML and Markdown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from interlock.rules.canonical import iso
from interlock.rules.evidence import Evidence
from interlock.rules.findings import Finding, State
from interlock.rules.gates import Verdict, figure
from interlock.spec.usecase import UseCase
from reports.model_card_limits import limits, waived

SHOWN = 20
DETAILS, EVIDENCE, LIMITS, DECISIONS = "Model details", "Evidence", "Limits", "Decisions"
NOT_FOR = re.compile(r"\b(not for|not to be|must not|never|no use)\b", re.I)


@dataclass(frozen=True)
class Table:
    """A table: column titles, rows of texts."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Part:
    """A section: title, paragraphs, bullets, tables, in this order."""

    title: str
    paragraphs: tuple[str, ...] = ()
    bullets: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class About:
    """What is known beside the evidence. `seal` is None on the card that is itself sealed with the evidence."""

    manifest: Mapping[str, Any]
    version: int | None = None
    started_by: str = ""
    author: str = ""
    seal: str | None = None
    decisions: Sequence[Mapping[str, str]] = field(default_factory=tuple)


def card(evidence: Evidence, use_case: UseCase, about: About) -> list[Part]:
    """The sections of the card about one candidate, in order.

    `about.manifest`: the package's manifest as plain JSON; `about.decisions`: {"kind", "actor", "at", "reason"} each, oldest first.
    Findings without a value are shown with their reason, never as a zero. Texts are plain: the pages escape them.
    """
    return [_details(evidence, use_case, about), _use(use_case), _data(evidence, about.manifest), _model(about.manifest),
            _metrics(evidence), _slices(evidence), _fairness(evidence, use_case), _explanations(evidence), _drift(evidence),
            Part(LIMITS, bullets=tuple(limits(evidence, use_case, about.manifest, about.decisions))), _gates(evidence),
            _decisions(about)]


def completed(parts: Sequence[Part], seal: str, decisions: Sequence[Mapping[str, str]]) -> list[Part]:
    """The card that was sealed with its evidence, with what is known since: the seal, and the decisions on it. Equals `card` with both."""
    known = About({}, seal=seal, decisions=decisions)
    return [_sealed(part, seal) if part.title == DETAILS else _decisions(known) if part.title == DECISIONS
            else replace(part, bullets=(*waived(decisions), *part.bullets)) if part.title == LIMITS else part for part in parts]


def _sealed(part: Part, seal: str) -> Part:
    return replace(part, tables=tuple(replace(table, rows=tuple((name, seal if name == EVIDENCE else value) for name, value in table.rows))
                                      for table in part.tables))


def _details(evidence: Evidence, use_case: UseCase, about: About) -> Part:
    rows = [("Use case", f"{use_case.title} ({use_case.name})"), ("Version", str(about.version) if about.version else "not numbered yet"),
            ("Owner", use_case.owner), ("Author of the use case", about.author or use_case.approval.author or "not on record"),
            ("Training started by", about.started_by or "not on record"), ("Package", evidence.package_digest),
            (EVIDENCE, about.seal or f"replayable section {evidence.replayable_digest()}"), ("Use-case file", evidence.policy_digest),
            ("Champion at the time", evidence.champion_digest or "none yet"), ("Measured", iso(evidence.created_at)),
            ("Answer of the gates", evidence.verdict.value.upper())]
    return Part(DETAILS, tables=(Table(("", ""), tuple(rows)),))


def _use(use_case: UseCase) -> Part:
    """Intended use in the words of the use-case file; clauses that say what it is not for are set apart."""
    clauses = [clause.strip() for clause in re.split(r"(?<=[.;])\s+", use_case.description) if clause.strip()]
    refused = [clause.rstrip(";.") for clause in clauses if NOT_FOR.search(clause)]
    prediction = use_case.prediction
    said = [use_case.description, f"Answers: {prediction.meaning or 'the use case does not say what a high answer means.'}",
            f"Moment of the prediction: {prediction.moment}"]
    barred = tuple(f"Not intended: {clause}." for clause in refused) or ("The use case does not say what it must not be used for.",)
    return Part("Intended use", tuple(said), barred)


def _data(evidence: Evidence, manifest: Mapping[str, Any]) -> Part:
    training = manifest.get("training", {})
    spans = [("Learned from", training.get("rows_train", 0) + training.get("rows_validation", 0), training.get("fit_span")),
             ("Held out for this card", training.get("rows_test", 0), training.get("test_span"))]
    rows = [(name, f"{count:,}", " to ".join(span) if span else "no times") for name, count, span in spans]
    missing = _figure(evidence, "columns", "missing")
    worst = sorted(missing.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]
    tables = [Table(("Rows", "n", "Events from, to"), tuple(rows))]
    tables += [Table(("Feature with missing values", "Share"), tuple((name, f"{share:.1%}") for name, share in worst))] if worst else []
    return Part("Data", (f"Snapshots: {', '.join(evidence.snapshots)}. Split: {training.get('split_note', 'not on record')}.",
                         "" if missing else "No feature has a missing value, or missing values were not counted."), tables=tuple(tables))


def _model(manifest: Mapping[str, Any]) -> Part:
    training, specs = manifest.get("training", {}), manifest["features"]["specs"]
    settings = dict(training.get("parameters", {})) | {
        name: training[name] for name in ("rounds", "trials", "seed", "threads") if name in training}
    said = (f"Gradient-boosted trees (XGBoost {manifest.get('xgboost_version', '')}), task {manifest['task']}, {len(specs)} features, "
            f"made by Interlock {manifest.get('code_version', '')}.")
    if manifest["task"] == "binary":
        said += f" The answer is positive from a probability of {manifest.get('threshold', 0.5):g} on."
    if by_group := manifest.get("group_thresholds"):
        each = ", ".join(f"{name} from {value:.3g}" for name, value in by_group["thresholds"].items())
        said += f" By {by_group['column']}: {each}."
    if eased := manifest.get("mitigation"):
        said += f" Mitigation: {eased['note']} Reason given: {eased['reason']}"
    return Part("Model", (said, f"Features: {', '.join(spec['name'] for spec in specs)}."),
                tables=(Table(("Setting", "Value"), tuple((name, _short(value)) for name, value in settings.items())),))


def _metrics(evidence: Evidence) -> Part:
    found = [finding for finding in evidence.findings if finding.metric.split(".")[0] in {"performance", "calibration"}
             and (finding.segment == "all" or finding.segment.startswith("naive="))]
    return Part("Metrics on held-out rows", ("Rows the model has never seen; 95 % intervals.",), tables=(_table(found),))


def _slices(evidence: Evidence) -> Part:
    found = [finding for finding in evidence.findings if finding.metric.split(".")[0] in {"performance", "calibration", "segments"}
             and finding.segment != "all" and not finding.segment.startswith("naive=")]
    if not found:
        return Part("Slices", ("No slice of the rows was measured apart.",))
    return Part("Slices", (f"{len(found):,} figures; at most {SHOWN} are shown.",), tables=(_table(found[:SHOWN]),))


def _fairness(evidence: Evidence, use_case: UseCase) -> Part:
    found = [finding for finding in evidence.findings if finding.metric.startswith("fairness.")]
    if not use_case.sensitive_columns:
        return Part("Differences between groups", ("No sensitive attribute is declared, so nothing was compared.",))
    said = ("A difference is measured, not explained; passing a gate does not show that a model is fair.",)
    return Part("Differences between groups", said, tables=(_table(found[:SHOWN * 2]),))


def _explanations(evidence: Evidence) -> Part:
    shares = _figure(evidence, "explain", "importance")
    top = [(str(name), f"{share:.1%}") for name, share in list(shares.items())[:10]]
    if not top:
        return Part("Explanations", ("The features behind the answers were not measured.",))
    said = "Share of each feature in the mean absolute SHAP value."
    return Part("Explanations", (said,), tables=(Table(("Feature", "Share"), tuple(top)),))


def _drift(evidence: Evidence) -> Part:
    both = [*evidence.findings, *evidence.observed]
    shares = [finding for finding in both if finding.metric in {"drift.holdout_share", "drift.serving_share", "leakage.label_shift"}]
    moved = sorted((finding for finding in both if finding.metric.startswith("drift.") and finding.metric.endswith("psi")
                    and finding.value is not None), key=lambda finding: (-(finding.value or 0.0), finding.segment))
    return Part("Drift at validation", tables=(_table([*shares, *moved[:5]]),))


def _gates(evidence: Evidence) -> Part:
    rows = tuple((result.verdict.value.upper(), "blocks" if result.mode == "block" else "observed", result.sentence)
                 for result in evidence.gates)
    passed = sum(result.verdict is Verdict.PASS for result in evidence.gates)
    return Part("Gates", (f"{passed} of {len(rows)} pass.",), tables=(Table(("Answer", "Effect", "Sentence"), rows),))


def _decisions(about: About) -> Part:
    if not about.decisions:
        return Part(DECISIONS, ("No decision is on record on this evidence." if about.seal else
                                  "This card was made with the evidence, before any decision; `interlock card` writes it with them.",))
    rows = tuple((one["at"], one["kind"], one["actor"], one["reason"]) for one in about.decisions)
    return Part(DECISIONS, tables=(Table(("Time (UTC)", "Decision", "Who", "Reason"), rows),))


def _table(findings: Sequence[Finding]) -> Table:
    rows = tuple((finding.metric, finding.segment, _value(finding), _span(finding), f"{finding.sample_size:,}", finding.note)
                 for finding in findings)
    return Table(("Metric", "Rows meant", "Value", "Interval", "n", "Note"), rows)


def _value(finding: Finding) -> str:
    if finding.state is not State.OK or finding.value is None:
        return finding.state.value.replace("_", " ") if finding.state is not State.OK else "–"
    return f"{figure(finding.value)} {finding.unit}".strip()


def _span(finding: Finding) -> str:
    return "" if finding.low is None or finding.high is None else f"{figure(finding.low)} to {figure(finding.high)}"


def _figure(evidence: Evidence, report: str, name: str) -> dict[str, Any]:
    inner = evidence.figures.get(report)
    found = inner.get(name) if isinstance(inner, dict) else None
    return found if isinstance(found, dict) else {}


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
