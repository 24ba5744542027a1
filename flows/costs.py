"""`costs`: add up what a use case used and what that costs.

Reads recorded CPU seconds, stored bytes and captured predictions. Computes use per stage and day, and money by the price table.
Judges nothing. Records one row per use case, stage and day, and beside them forecast, worth and proposals to save; running it again gives
the same rows.
"""

from __future__ import annotations

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.artifacts import links_of, publish
from interlock.control.opening import Installation, opened
from interlock.control.spending.costing import CostLine


@flow(name="costs", log_prints=True)
def costs(use_case: str) -> float:
    """Add up the costs of USE_CASE, by stage and day, in US dollars."""
    with opened(use_case) as installation:
        lines = count(installation)
        show(installation, lines)
        return round(sum(line.usd for line in lines), 6)


@task(cache_policy=NO_CACHE)
def count(installation: Installation) -> list[CostLine]:
    """Add up and record the use of every stage and day, and what follows from it for the Costs page."""
    from interlock.control.spending.costing import add_up
    from interlock.control.spending.economy import prepare_economy

    lines = add_up(installation.settings, installation.store, installation.use_case)
    prepare_economy(installation.store, installation.use_case)
    return lines


@task(cache_policy=NO_CACHE)
def show(installation: Installation, lines: list[CostLine]) -> None:
    """Publish the totals by stage, with the date and kind of the prices."""
    from interlock.control.spending.costing import totals
    from interlock.control.spending.prices import price_table

    name = installation.use_case.name
    prices = price_table(installation.settings, installation.use_case.costs)
    facts = {"use case": name, **totals(lines), "prices": f"{prices.note} ({prices.date})"}
    publish("costs", name, f"Costs of {name}", facts, links_of(installation.settings, "costs"))
