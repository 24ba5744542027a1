"""A second process that trusts none of it: `python -m demo.verify var/demo.json`. It has HTTP and the ledger, read-only.

Exit code 0 only if the chain holds up to the written head, every step is an entry of it that says the same, the endpoint answers
with the version and digest of the last step that changed it, and MLflow and Prefect know what the steps name.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from interlock.rules.canonical import canonical, digest_bytes, iso

GENESIS = "sha256:" + "0" * 64
TIMEOUT_S = 10.0


def main(path: str) -> int:
    """Check `demo.json`; prints every problem, returns the exit code."""
    told = json.loads(Path(path).read_text(encoding="utf-8"))
    entries = read_ledger(Path(told["ledger_file"]))
    problems = chain_problems(entries, told["ledger_head"]) + step_problems(told["steps"], entries) + story_problems(told["steps"])
    problems += endpoint_problems(told) + mirror_problems(told)
    for problem in problems:
        print(f"NOT TRUE: {problem}")  # noqa: T201 - a command's output
    print(f"verified: {len(told['steps'])} steps, {len(entries)} ledger entries, {len(problems)} problems")  # noqa: T201
    return 1 if problems else 0


def read_ledger(path: Path) -> dict[int, dict[str, Any]]:
    """Every entry by sequence number, through a connection that cannot write."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT seq, previous_hash, hash, kind, use_case, body, created_at FROM ledger ORDER BY seq").fetchall()
    finally:
        connection.close()
    return {seq: {"previous_hash": previous, "hash": own, "kind": kind, "use_case": use_case, "body": json.loads(body),
                  "at": datetime.fromisoformat(at).replace(tzinfo=UTC)}
            for seq, previous, own, kind, use_case, body, at in rows}


def entry_hash(seq: int, entry: dict[str, Any]) -> str:
    """The hash that an entry must have: over the canonical JSON of everything it says (docs/decisions.md)."""
    return digest_bytes(canonical({"version": 1, "seq": seq, "previous_hash": entry["previous_hash"], "kind": entry["kind"],
                                   "use_case": entry["use_case"], "at": iso(entry["at"]), "body": entry["body"]}))


def chain_problems(entries: dict[int, dict[str, Any]], head: dict[str, Any]) -> list[str]:
    """Gaps, altered entries, and a tail that was cut off before the written head."""
    problems, previous = [], GENESIS
    for expected, (seq, entry) in enumerate(sorted(entries.items()), start=1):
        if seq != expected or entry["previous_hash"] != previous or entry_hash(seq, entry) != entry["hash"]:
            problems.append(f"ledger entry {seq} does not continue the chain")
        previous = entry["hash"]
    if entries.get(head["seq"], {}).get("hash") != head["hash"]:
        problems.append(f"the ledger does not reach the written head {head['seq']}")
    return problems


def step_problems(steps: list[dict[str, Any]], entries: dict[int, dict[str, Any]]) -> list[str]:
    """Steps that the ledger does not prove."""
    problems = []
    for step in steps:
        entry = entries.get(step["ledger_seq"])
        if entry is None or entry["kind"] != step["ledger_kind"] or entry["hash"] != step["ledger_hash"]:
            problems.append(f"step {step['step']} '{step['title']}': ledger entry {step['ledger_seq']} says something else")
            continue
        said = json.dumps(entry["body"], ensure_ascii=False)
        for fact in ("digest", "evidence", "decision_id", "candidate_id", "actor"):
            if step.get(fact) and step[fact] not in said:
                problems.append(f"step {step['step']} '{step['title']}': the ledger entry does not name {fact} {step[fact]}")
        if "gates" in step and entry["body"].get("gates") != step["gates"]:
            problems.append(f"step {step['step']}: gate results differ from the sealed ones")
    return problems


def story_problems(steps: list[dict[str, Any]]) -> list[str]:
    """What the demo promises: drift, a retraining, a promotion, an automatic rollback and a person's rollback, in order."""
    kinds = [step["ledger_kind"] for step in steps]
    wanted = ["evidence.sealed", "decision.approve", "route.changed", "monitoring.breach", "evidence.sealed", "decision.approve",
              "route.changed", "evidence.sealed", "decision.approve", "decision.rollback", "decision.rollback", "evidence.sealed"]
    problems = [] if kinds == wanted else [f"the story is {kinds}, not {wanted}"]
    bad = [step["title"] for step in steps if step["ledger_kind"] == "evidence.sealed" and step["verdict"] != "pass"]
    return problems + [f"'{title}' did not pass its gates" for title in bad]


def endpoint_problems(told: dict[str, Any]) -> list[str]:
    """The endpoint must answer with the model of the last step that changed it."""
    last = [step["answers"] for step in told["steps"] if "answers" in step][-1]
    reply = httpx.post(f"{told['links']['predictions']}/v1/{told['use_case']}/predict", json={"records": [told["probe_record"]]},
                       timeout=TIMEOUT_S)
    if reply.status_code != 200:
        return [f"the endpoint answers {reply.status_code}: {reply.text[:200]}"]
    answer = reply.json()["predictions"][0]
    found, wanted = (answer["version"], answer["digest"]), (last["version"], last["digest"])
    return [] if found == wanted else [f"the endpoint answers with {found}, the last step says {wanted}"]


def mirror_problems(told: dict[str, Any]) -> list[str]:
    """MLflow must know every registered version, Prefect every flow run that completed."""
    problems = []
    name = told["registered_model"]
    for version in told["mlflow_versions"]:
        reply = httpx.get(f"{told['links']['mlflow']}/api/2.0/mlflow/model-versions/get", params={"name": name, "version": str(version)},
                          timeout=TIMEOUT_S)
        if reply.status_code != 200:
            problems.append(f"MLflow does not know version {version} of {name}")
    for run in told["flow_runs"]:
        reply = httpx.get(f"{told['links']['prefect']}/api/flow_runs/{run}", timeout=TIMEOUT_S)
        if reply.status_code != 200 or reply.json()["state"]["type"] != "COMPLETED":
            problems.append(f"Prefect does not say that run {run} completed")
    return problems


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
