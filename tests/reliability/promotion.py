"""One promotion in a process of its own: approve, then the whole `deploy` run. It says what a person would be told, and when.

`python -m tests.reliability.promotion EVIDENCE GENERATION [CHANGED …]` with the installation's settings in the environment.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from interlock.control.decisions import actions
from interlock.control.embedded import EmbeddedEndpoint
from interlock.control.releases import deploying
from interlock.records import store as records_store
from interlock.records.ids import new_id
from interlock.records.store import open_store
from interlock.rules.staging import StagingJudgement
from interlock.settings import load_settings

STAGED = StagingJudgement("pass", "staged")


def _two_transactions() -> None:
    """The release moves in a transaction of its own, before its route."""
    sound = deploying.releases.move

    def broken(session: Any, *given: Any, **more: Any) -> None:
        sound(session, *given, **more)
        session.commit()

    deploying.releases.move = broken  # type: ignore[assignment]


def _never_synced() -> None:
    """The database says "committed" before the disk has it."""
    sound = records_store._engine

    def broken(url: str) -> Engine:
        engine = sound(url)
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
        return engine

    records_store._engine = broken


def _without_staging() -> None:
    """Not broken, only shorter: staging has tests of its own."""
    deploying.rehearse = lambda *_: STAGED  # type: ignore[assignment]


CHANGED = {"two-transactions": _two_transactions, "never-synced": _never_synced, "without-staging": _without_staging}


def main() -> None:
    """Promote; print `receipt <time>` once the person has it, `<state> <time>` at the end."""
    evidence, generation, *broken = sys.argv[1:]
    for name in broken:
        CHANGED[name]()
    settings = load_settings()
    store = open_store(settings)
    receipt = actions.approve(settings, store, actor="ben", evidence_digest=evidence, reason="all clear", nonce=new_id(),
                              expected_generation=int(generation))
    print("receipt", time.time(), flush=True)  # noqa: T201
    outcome = deploying.carry_out(settings, store, EmbeddedEndpoint(settings), str(receipt.release_id))
    print(outcome.state.value, time.time(), flush=True)  # noqa: T201
    if "never-synced" in broken:
        os._exit(0)  # without the checkpoint of an orderly end
    store.close()


if __name__ == "__main__":
    main()
