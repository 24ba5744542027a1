"""`score`: answer a whole file or snapshot.

Reads the source and the champion (or an approved version). Computes the answers by the prediction server's own path. Judges each row:
those that cannot be answered go to the refused ones with the reason. Records answers, refusals and one ledger entry, each row once;
running it again goes on where it was, or changes nothing.
"""

from __future__ import annotations

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.artifacts import links_of, publish
from interlock.control.access.people import actor_name
from interlock.control.opening import opened
from interlock.control.scoring.job import Summary


@flow(name="score", log_prints=True)
def score(use_case: str, source: str, to: str, version: int | None = None, url_env: str | None = None, capture: bool = False,
          id_column: str | None = None) -> dict[str, object]:
    """Score SOURCE (a file, or a snapshot's digest) into the folder TO (with `url_env`: the table TO); rows answered and refused."""
    done = answer(use_case, source, to, version, url_env, capture, id_column)
    return {"answered": done.answered, "refused": done.refused, "version": done.version, "job": done.job}


@task(cache_policy=NO_CACHE)
def answer(use_case: str, source: str, to: str, version: int | None, url_env: str | None, capture: bool, id_column: str | None) -> Summary:
    """Score chunk by chunk and publish what came out."""
    from interlock.control.scoring.job import score as run
    from interlock.control.scoring.targets import target_of
    from interlock.control.spending.usage import measured

    with opened(use_case) as here, measured(here.store, use_case, "score"):
        done = run(here.settings, here.store, here.use_case, source, target_of(to, url_env), version=version, capture=capture,
                   id_column=id_column, actor=actor_name(here.settings))
        facts = {"use case": use_case, "version": done.version, "source": done.source_digest, "to": to, "answered": f"{done.answered:,}",
                 "refused": f"{done.refused:,}", "reasons": done.reasons or "none", "went on after chunks": done.resumed}
        publish("score", use_case, f"Batch of {use_case}", facts, links_of(here.settings, "data"))
    return done
