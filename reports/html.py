"""The evidence as one page of HTML: self-contained, every value escaped, no script, readable in light and dark and on paper."""

from __future__ import annotations

from html import escape
from itertools import groupby

from interlock.rules.canonical import iso
from interlock.rules.evidence import Evidence
from interlock.rules.findings import Finding, State
from interlock.rules.gates import GateResult, Verdict, figure
from interlock.spec.usecase import UseCase
from reports.html_changes import changes_section
from reports.html_drawings import drawings

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5a6675;--line:#d5dbe3;--back:#fff;--card:#f5f7fa;--pass:#11703c;--fail:#b3261e;
--unknown:#8a5a00;--bar:#3867b7}
@media (prefers-color-scheme:dark){:root{--ink:#e7ecf3;--soft:#a3afbf;--line:#39434f;--back:#12171e;--card:#1b222b;--pass:#58c88a;
--fail:#ff8a80;--unknown:#f0b95a;--bar:#7fa8ee}}
*{box-sizing:border-box}body{margin:0 auto;max-width:70rem;padding:1.5rem;background:var(--back);color:var(--ink);
font:16px/1.5 system-ui,sans-serif}h1{font-size:1.6rem;margin:.2rem 0}h2{font-size:1.2rem;margin:2rem 0 .5rem}
p{margin:.4rem 0}.soft,caption{color:var(--soft)}.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}
caption{text-align:left;padding:.3rem 0}th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid var(--line)}
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}code{font-size:.85em;overflow-wrap:anywhere}
.verdict{font-weight:700;white-space:nowrap}.pass{color:var(--pass)}.fail{color:var(--fail)}.unknown{color:var(--unknown)}
.card{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:1rem;margin:1rem 0}
.pictures{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0;flex:1 1 20rem}figcaption{font-size:.9rem;color:var(--soft)}
svg{width:100%;height:auto;max-height:20rem}
"""
SIGN = {Verdict.PASS: "✓ PASS", Verdict.FAIL: "✗ FAIL", Verdict.UNKNOWN: "? UNKNOWN"}
FAMILIES = {"quality": "Quality of the data", "leakage": "Leakage", "performance": "Performance", "calibration": "Calibration",
            "fairness": "Differences between groups", "explain": "Explanations", "drift": "Drift", "latency": "Latency", "size": "Size",
            "replay": "Decisions on captured requests", "money": "Money"}


def evidence_html(evidence: Evidence, use_case: UseCase, *, seal: str | None = None) -> str:
    """A complete HTML document (text) about one candidate: verdict, gates in sentences, pictures, every finding, digests.

    `seal`: the digest to print; default: computed from the evidence as it is. Names and notes come from data and are escaped; a
    content policy forbids scripts and every outside resource. Pictures are drawn from `evidence.figures` where they hold the
    known keys ("performance", "calibration", "explain", "fairness"); others are left to the control room.
    """
    parts = [_head(evidence, use_case), _gates(evidence.gates), changes_section(evidence.figures.get("changes")),
             drawings(evidence.figures),
             _findings("Findings", evidence.findings, "Must come out the same, bit for bit, from the same snapshots."),
             _findings("Observed", evidence.observed, "Depends on machine and traffic at the time; not replayable."),
             _digests(evidence, seal or evidence.seal())]
    title = escape(f"Evidence: {use_case.title}")
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title><style>{STYLE}</style></head>'
            f'<body>{"".join(parts)}</body></html>\n')


def _head(evidence: Evidence, use_case: UseCase) -> str:
    stops = [result for result in evidence.gates if result.mode == "block" and result.verdict is not Verdict.PASS]
    said = "Every signal is clear." if evidence.verdict is Verdict.PASS else f"{len(stops)} of {len(evidence.gates)} gates hold it back."
    meaning = f'<p class="soft">A high answer means: {escape(use_case.prediction.meaning)}</p>' if use_case.prediction.meaning else ""
    return (f'<header><p class="soft">Evidence about a candidate of</p><h1>{escape(use_case.title)}</h1>'
            f'<p>{escape(use_case.description)}</p>{meaning}'
            f'<p class="card"><span class="verdict {evidence.verdict.value}">{SIGN[evidence.verdict]}</span> {said} '
            f'Measured {iso(evidence.created_at)}.</p></header>')


def _gates(results: list[GateResult]) -> str:
    rows = "".join(
        f'<tr><td class="verdict {result.verdict.value}">{SIGN[result.verdict]}</td><td><strong>{escape(result.question or result.title)}'
        f'</strong><br>{escape(result.sentence)}<br><span class="soft">{escape(result.source)}</span></td>'
        f'<td>{"stops a release" if result.mode == "block" else "only observed"}</td></tr>' for result in results)
    return (f'<section><h2>Gates</h2><div class="scroll"><table><thead><tr><th scope="col">Answer</th><th scope="col">Question</th>'
            f'<th scope="col">Effect</th></tr></thead><tbody>{rows}</tbody></table></div></section>')


def _findings(title: str, findings: list[Finding], caption: str) -> str:
    if not findings:
        return ""
    def family(finding: Finding) -> str:
        return finding.metric.split(".")[0]
    tables = []
    for name, members in groupby(sorted(findings, key=family), key=family):
        rows = "".join(_finding(finding) for finding in members)
        tables.append(f'<h3>{escape(FAMILIES.get(name, name))}</h3><div class="scroll"><table><thead><tr><th scope="col">Metric</th>'
                      f'<th scope="col">Rows meant</th><th scope="col">Value</th><th scope="col">95 % interval</th><th scope="col">n</th>'
                      f'<th scope="col">Note</th></tr></thead><tbody>{rows}</tbody></table></div>')
    return f'<section><h2>{escape(title)}</h2><p class="soft">{escape(caption)}</p>{"".join(tables)}</section>'


def _finding(finding: Finding) -> str:
    span = "" if finding.low is None or finding.high is None else f"{figure(finding.low)} to {figure(finding.high)}"
    state = "" if finding.state is State.OK else f'<span class="unknown">{escape(finding.state.value.replace("_", " "))}</span> '
    return (f'<tr><td><code>{escape(finding.metric)}</code></td><td>{escape(finding.segment)}</td>'
            f'<td class="n">{figure(finding.value)} {escape(finding.unit)}</td><td class="n">{span}</td>'
            f'<td class="n">{finding.sample_size:,}</td><td>{state}{escape(finding.note)}</td></tr>')


def _digests(evidence: Evidence, seal: str) -> str:
    lines = [("Seal of this evidence", seal), ("Package", evidence.package_digest), ("Use-case file", evidence.policy_digest),
             ("Champion at the time", evidence.champion_digest or "none yet"), ("Candidate", evidence.candidate_id),
             *[("Snapshot", snapshot) for snapshot in evidence.snapshots],
             *[(f"Attached: {name}", digest) for name, digest in sorted(evidence.attachments.items())]]
    rows = "".join(f'<tr><th scope="row">{escape(name)}</th><td><code>{escape(value)}</code></td></tr>' for name, value in lines)
    return f'<section><h2>Digests</h2><div class="scroll"><table><tbody>{rows}</tbody></table></div></section>'
