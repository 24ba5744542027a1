"""Approvers in threads of one process: `python -m tests.reliability.approvers`. Each line on stdin is a round, made at once.

A line `{"at": time, "evidence": digest, "generation": n, "presses": [[actor, nonce], …]}` is answered by one line with what each was told.
`BROKEN=identity-per-click` in the environment gives every click an identity of its own.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from interlock.control.decisions import actions
from interlock.errors import DecisionRefused, InterlockError
from interlock.records import decisions
from interlock.records.ids import new_id
from interlock.records.store import open_store
from interlock.settings import load_settings


def main() -> None:
    """Answer rounds until stdin ends."""
    if os.environ.get("BROKEN") == "identity-per-click":
        decisions.on_evidence = lambda digest: f"evidence:{digest}:{new_id()}"
    settings = load_settings()
    store = open_store(settings)

    def press(asked: dict[str, Any], actor: str, nonce: str) -> list[Any]:
        time.sleep(max(0.0, asked["at"] - time.time()))
        began = time.monotonic()
        try:
            receipt = actions.approve(settings, store, actor=actor, evidence_digest=asked["evidence"], reason="all clear", nonce=nonce,
                                      expected_generation=asked["generation"])
            return ["receipt", receipt.decision_id, receipt.replayed, time.monotonic() - began]
        except DecisionRefused as error:
            return ["refused", error.what, None, time.monotonic() - began]
        except InterlockError as error:
            return ["failed", f"{type(error).__name__}: {error.what}", None, time.monotonic() - began]

    with ThreadPoolExecutor(64) as threads:
        for line in sys.stdin:
            asked = json.loads(line)
            told = list(threads.map(lambda pair, asked=asked: press(asked, *pair), asked["presses"]))  # type: ignore[misc]
            print(json.dumps(told), flush=True)  # noqa: T201
    store.close()


if __name__ == "__main__":
    main()
