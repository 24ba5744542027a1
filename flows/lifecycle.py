"""`lifecycle`: ingest → train → validate in one run: the same tasks as the three flows, one after the other, no runs within the run.

Reads the source, then the snapshot, then package and champion. Computes a candidate and its evidence. Judges the gates. Records all
three. A person decides on the evidence; nothing is deployed here.
"""

from __future__ import annotations

from prefect import flow

from flows import ingest, train, validate
from interlock.control.access.people import actor_name
from interlock.control.opening import moment, opened


@flow(name="lifecycle", log_prints=True)
def lifecycle(use_case: str, as_of: str | None = None, started_by: str | None = None) -> str | None:
    """Take in new rows of USE_CASE, make a candidate and its evidence; the answer is the evidence's digest."""
    with opened(use_case) as installation:
        result = ingest.take_in(installation, moment(as_of))
        ingest.announce(installation, result)
        candidate = train.make(installation, moment(as_of), started_by or actor_name(installation.settings))
        train.announce(installation, candidate)
        evidence = validate.measure(installation, None, moment(as_of))  # None: this candidate, unless it has evidence
        if evidence is None:
            return None
        validate.announce(installation, evidence)
        return evidence.seal()
