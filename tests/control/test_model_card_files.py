"""Model cards on real evidence: sealed with it, written later with its decisions, printed by a real browser; Evidently beside it all."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright
from typer.testing import CliRunner

from interlock.cli.main import app
from interlock.control.evidence import evidently, model_card
from interlock.control.evidence.model_card import card_parts, write_card
from interlock.control.evidence.validation import evidence_folder, validate_candidate
from interlock.control.readmodel.paper import STORED, Printed, decisions_on, printed
from interlock.control.readmodel.proof import proof, proof_of_package
from interlock.errors import EvidenceError
from interlock.records.ids import new_id
from interlock.records.store import utc_now
from interlock.records.tables import Candidate, Decision
from interlock.rules.canonical import digest_bytes
from interlock.rules.evidence import Evidence
from interlock.rules.findings import State
from interlock.spec.load import find_use_case
from tests.control.trial_bench import NAME, Bench, census

Judged = tuple[Bench, Candidate, Evidence]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Iterator[Judged]:
    bench = Bench(tmp_path_factory.mktemp("cards"), *census(data_dir))
    candidate = bench.make()
    yield bench, candidate, bench.judge(candidate)
    bench.store.close()


def test_cards_are_sealed_with_the_evidence(judged: Judged) -> None:
    bench, _, evidence = judged
    folder = evidence_folder(bench.settings, evidence.seal())
    for name in ("model-card.html", "model-card.md"):
        assert digest_bytes((folder / name).read_bytes()) == evidence.attachments[name]
    text = (folder / "model-card.md").read_text()
    assert "## Intended use" in text
    assert evidence.replayable_digest() in (folder / "evidence.html").read_text()
    assert evidence.replayable_digest().removeprefix("sha256:") in text
    assert len(re.findall(r"^## ", text, re.M)) == 12


def test_a_card_written_later_has_the_decisions(judged: Judged, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, candidate, _ = judged
    newest = proof_of_package(bench.store, NAME, candidate.package_digest)  # other tests judge it again
    assert newest is not None
    with bench.store.writing() as session:
        session.add(Decision(
            id=new_id(), identity="x", kind="reject", use_case=NAME, candidate_id=candidate.id, evidence_digest=newest.digest,
            package_digest=None, policy_digest=None, expected_generation=None, actor="Grace", reason="Not *yet*", created_at=utc_now(),
            expires_at=None, detail={}))
    use_case = find_use_case(bench.settings, NAME)[1]
    assert [one["actor"] for one in decisions_on(bench.store, newest.digest)] == ["Grace"]
    assert "Not \\*yet\\*" in write_card(bench.settings, bench.store, use_case, version=1)
    assert "<td>Grace</td>" in write_card(bench.settings, bench.store, use_case, form="html")
    with pytest.raises(EvidenceError, match="no such version"):
        write_card(bench.settings, bench.store, use_case, version=9)
    for name in ("home", "usecases_dir", "data_dir"):
        monkeypatch.setenv(f"INTERLOCK_{name.upper()}", str(getattr(bench.settings, name)))
    out = bench.folder / "card.md"
    done = CliRunner().invoke(app, ["card", NAME, "--version", "1", "--format", "md", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert newest.digest.removeprefix("sha256:") in out.read_text()
    assert CliRunner().invoke(app, ["card", NAME, "--format", "pdf"]).exit_code == 1


def test_the_print_view_reads_the_sealed_file_and_no_package(judged: Judged, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, _, evidence = judged
    found = proof(bench.store, evidence.seal())
    assert found is not None
    use_case = find_use_case(bench.settings, NAME)[1]
    made = card_parts(bench.settings, bench.store, use_case, found)
    monkeypatch.setattr(model_card, "read_package", lambda *_: pytest.fail("nothing computes in the page"))
    assert printed(bench.settings, bench.store, None, found) == Printed(made)


def test_older_evidence_still_prints_and_a_changed_file_does_not(judged: Judged) -> None:
    bench, _, evidence = judged
    found, path = proof(bench.store, evidence.seal()), evidence_folder(bench.settings, evidence.seal()) / STORED
    assert found is not None
    use_case, sealed = find_use_case(bench.settings, NAME)[1], path.read_bytes()
    try:
        path.unlink()
        made = card_parts(bench.settings, bench.store, use_case, found)
        assert printed(bench.settings, bench.store, use_case, found) == Printed(made, built_now=True)
        assert printed(bench.settings, bench.store, None, found) is None
        path.write_bytes(sealed.replace(b"Model details", b"Model detail!"))  # the broken variant of the file
        with pytest.raises(EvidenceError, match="not the file that was sealed"):
            printed(bench.settings, bench.store, use_case, found)
    finally:
        path.write_bytes(sealed)
    with pytest.raises(EvidenceError, match="changed after it was sealed"):
        printed(bench.settings, bench.store, use_case, replace(found, sealed=False))


@pytest.mark.browser
def test_a_browser_prints_the_card_as_pages_that_are_not_empty(judged: Judged, tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is missing; CI never skips")
        pytest.skip("Debian's chromium is missing: apt-get install chromium")
    folder = evidence_folder(judged[0].settings, judged[2].seal())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--no-first-run"])
        page = browser.new_page()
        page.goto((folder / "model-card.html").as_uri())
        page.emulate_media(media="print")
        told = page.inner_text("body")
        printed = page.pdf(prefer_css_page_size=True)
        wide = page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        browser.close()
    pages = len(re.findall(rb"/Type\s*/Page\b", printed))
    assert wide
    assert 3 <= pages <= 30
    assert len(re.findall(rb"/Contents \d+ 0 R", printed)) == pages  # each page has a drawing
    assert len(printed) > 3_000 * pages
    assert "Performance: PASS" in told


def test_evidently_is_never_waited_for_without_end(judged: Judged, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, candidate, first = judged
    monkeypatch.setattr(evidently.Pending.collect, "__defaults__", (0.5,))
    evidence = validate_candidate(bench.settings, bench.store, candidate.id)
    told = next(finding for finding in evidence.observed if finding.metric == "report.evidently")
    assert told.state is State.ERROR
    assert "did not end in time" in told.note
    assert "evidently-drift.html" not in evidence.attachments
    assert evidence.replayable_digest() == first.replayable_digest()


def test_a_child_that_fails_says_why(judged: Judged, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, candidate, _ = judged
    real = evidently.write_request

    def nothing_to_compare(folder: Path, reference: Any, current: Any, kinds: Any, **more: Any) -> None:
        real(folder, reference.head(3), current, kinds, **more)

    monkeypatch.setattr(evidently, "write_request", nothing_to_compare)
    told = next(finding for finding in validate_candidate(bench.settings, bench.store, candidate.id).observed
                if finding.metric == "report.evidently")
    assert told.state is State.ERROR
    assert "DataError: too few rows for a drift report: reference" in told.note
