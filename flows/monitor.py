"""`monitor`: judge every complete window of a use case's captured predictions.

Reads captured predictions, late labels and the live package's baseline. Computes drift, performance, fairness, latency, volume and
gaps per window. Judges each window, and whether a retraining is due. Records windows, alerts and the wish to retrain; then tells.
Last, Evidently's report about one window, where `[monitoring] evidently` wants it.
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.artifacts import links_of, publish
from interlock.control.opening import Installation, moment, opened
from interlock.control.windows.monitoring import MonitorResult


@flow(name="monitor", log_prints=True)
def monitor(use_case: str, as_of: str | None = None) -> dict[str, object]:
    """Judge the windows of USE_CASE that are complete at `as_of` (ISO 8601; now where not given)."""
    with opened(use_case) as installation:
        result = judge(installation, moment(as_of))
        tell(installation, result)
        attach(installation, result)
        return {"windows": result.windows, "breaches": result.breaches, "retrain": result.retrain}


@task(cache_policy=NO_CACHE)
def judge(installation: Installation, as_of: datetime | None) -> MonitorResult:
    """Compact what was captured, judge the windows and record them."""
    from interlock.control.spending.usage import measured
    from interlock.control.windows.column_history import prepare_columns
    from interlock.control.windows.monitoring import monitor_use_case

    with measured(installation.store, installation.use_case.name, "monitor"):
        result = monitor_use_case(installation.settings, installation.store, installation.use_case, as_of=as_of)
        prepare_columns(installation.settings, installation.store, installation.use_case.name)
        return result


@task(cache_policy=NO_CACHE)
def tell(installation: Installation, result: MonitorResult) -> None:
    """Deliver alerts that wait, and publish what was found."""
    from interlock.control.keeping.alerting import deliver

    told = deliver(installation.settings, installation.store, [installation.use_case])
    name = installation.use_case.name
    facts = {"use case": name, "windows judged": result.windows, "breaches": result.breaches, "retraining asked for": result.retrain,
             "alerts told": told, "newest window": result.newest or "none yet"}
    for sentence in result.sentences:
        print(sentence)  # noqa: T201 - Prefect's log
    publish("monitor", name, f"Signals of {name}", facts, links_of(installation.settings, "drift"))


@task(cache_policy=NO_CACHE)
def attach(installation: Installation, result: MonitorResult) -> None:
    """Evidently's report about one window at most, for people; it takes about 15 s, so it comes last."""
    from interlock.control.windows.window_evidently import attach_evidently

    sentence = attach_evidently(installation.settings, installation.store, installation.use_case, result.judged)
    if sentence:
        print(sentence)  # noqa: T201 - Prefect's log
