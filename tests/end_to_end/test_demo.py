"""The demo's file is true, and the verifier notices when it is not."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo import verify
from interlock.rules.canonical import digest_bytes
from tests.end_to_end.conftest import TOLD_TIMEOUT_S

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(TOLD_TIMEOUT_S)]


def told(machine: Any) -> dict[str, Any]:
    return dict(json.loads((machine.settings.home / "demo.json").read_text()))


def test_the_demo_ends_well_within_its_time(machine: Any) -> None:
    assert machine.demo.returncode == 0, machine.demo.stdout[-3000:] + machine.demo.stderr[-3000:]
    assert "every step is true" in machine.demo.stdout


def test_the_chain_and_every_step_hold(machine: Any) -> None:
    entries, story = verify.read_ledger(machine.settings.home / "store.db"), told(machine)
    assert verify.chain_problems(entries, story["ledger_head"]) == []
    assert verify.step_problems(story["steps"], entries) == []
    assert verify.story_problems(story["steps"]) == []
    assert verify.mirror_problems(story) == []


def test_every_prediction_was_answered_by_a_version_that_the_ledger_put_there(machine: Any) -> None:
    story = told(machine)
    entries = verify.read_ledger(machine.settings.home / "store.db")
    routed = json.dumps([entry["body"] for entry in entries.values() if entry["kind"] == "route.changed"])
    assert story["predictions"] == sum(answer["rows"] for answer in story["answers"]) + story["refused"] > 50_000
    assert [answer for answer in story["answers"] if answer["digest"] not in routed] == []


def test_prefect_links_to_the_very_evidence_that_was_sealed(machine: Any) -> None:
    key = {"artifacts": {"key": {"any_": ["validate-flight-delays-evidence-html"]}}, "sort": "UPDATED_DESC", "limit": 1}
    artifact = httpx.post(f"{machine.settings.prefect_url}/artifacts/filter", json=key, timeout=10).json()[0]
    address = re.search(r"\((http[^)]+)\)", artifact["data"])
    assert address is not None
    page = httpx.get(address[1], timeout=10)
    sealed = [entry["body"]["attachments"]["evidence.html"] for entry in verify.read_ledger(machine.settings.home / "store.db").values()
              if entry["kind"] == "evidence.sealed" and entry["use_case"] == "flight_delays"]
    assert page.status_code == 200
    assert digest_bytes(page.content) == sealed[-1]


@pytest.mark.parametrize("lie", ["digest", "gates", "ledger_seq", "ledger_hash"])
def test_a_changed_step_is_found(machine: Any, lie: str) -> None:
    story, entries = told(machine), verify.read_ledger(machine.settings.home / "store.db")
    step = next(step for step in story["steps"] if "gates" in step)
    gates = dict.fromkeys(step["gates"], "fail")
    lies = {"digest": "sha256:" + "1" * 64, "gates": gates, "ledger_seq": 1, "ledger_hash": "sha256:" + "2" * 64}
    step[lie] = lies[lie]
    assert verify.step_problems(story["steps"], entries) != []


def test_a_left_out_step_and_a_cut_or_edited_ledger_are_found(machine: Any, tmp_path: Path) -> None:
    story = told(machine)
    assert verify.story_problems(story["steps"][:-1]) != []
    copy = tmp_path / "store.db"
    with sqlite3.connect(f"file:{machine.settings.home / 'store.db'}?mode=ro", uri=True) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    source.close()
    entries = verify.read_ledger(copy)
    newest = max(entries)
    last = entries.pop(newest)
    assert verify.chain_problems(entries, {"seq": newest, "hash": last["hash"]}) != []
    target.execute("UPDATE ledger SET body = replace(body, 'approver', 'intruder') WHERE kind = 'decision.approve'")
    target.commit()
    target.close()
    assert verify.chain_problems(verify.read_ledger(copy), story["ledger_head"]) != []
