"""Prepared by `costs` for the Costs page: the month's forecast, what each version's decisions brought beside its cost, proposals to save.

Money from decisions is what the sealed evidence measured on held-out rows (value of 1,000 decisions, with interval) times the predictions
that monitored windows counted for the version; it is an expectation, not an account. Costs of the use case are shared out among its
versions by those predictions.
"""

from __future__ import annotations

import calendar
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from interlock.control.readmodel.spending import Spending, in_month, spending
from interlock.control.spending.savings import Trained, savings
from interlock.records.store import Store, utc_now
from interlock.records.tables import Candidate, EvidenceRow, Prepared, RouteRow, Window
from interlock.rules.canonical import iso
from interlock.spec.usecase import UseCase
from reports.budget import forecast

KIND = "economy"
LOOKED_BACK_DAYS = 28  # whole weeks
VERSIONS_MAX = 50
WORTH, GAIN = "performance.value_per_1000", "performance.vs_champion"


def prepare_economy(store: Store, use_case: UseCase, *, now: datetime | None = None) -> dict[str, Any]:
    """Work it out from what is on record and keep it for the page; the same records give the same values."""
    moment = (now or utc_now()).astimezone(UTC)
    rows = spending(store, use_case.name)
    with store.reading() as session:
        findings = _findings(session, use_case.name)
        answered = _answered(session, use_case.name)
        trained = _trained(session, use_case.name, findings)
        live = _live(session, use_case.name)
    body = {"forecast": _forecast(rows, use_case, moment), "versions": _versions(rows, findings, answered, use_case),
            "savings": [one.body() for one in savings(use_case.name, rows, trained, live=live, today=moment.date())]}
    with store.writing() as session:
        session.merge(Prepared(kind=KIND, name=use_case.name, key=iso(moment), body=body, prepared_at=moment))
    return body


def _forecast(rows: list[Spending], use_case: UseCase, moment: datetime) -> dict[str, Any]:
    """The month so far, per complete day of the last four weeks, and where it ends. Today is not complete: it counts as spent only."""
    today = moment.date()
    spent, budget = in_month(rows, today), use_case.costs.monthly_budget_usd
    by_day: dict[date, float] = defaultdict(float)
    for row in rows:
        by_day[row.day] += row.usd
    first = max(min(by_day, default=today), today - timedelta(days=LOOKED_BACK_DAYS))
    complete = [by_day[first + timedelta(days=n)] for n in range((today - first).days)]
    left = calendar.monthrange(today.year, today.month)[1] - today.day
    found = forecast(complete, spent, left, budget)
    return {"today": today.isoformat(), "spent": spent, "budget": budget, "days_left": left, "days": len(complete),
            **({} if found is None else {"total": found.total, "low": found.low, "high": found.high, "per_day": found.per_day,
                                         "days_to_budget": found.days_to_budget})}


def _versions(rows: list[Spending], findings: dict[int, dict[str, Any]], answered: dict[int, int],
              use_case: UseCase) -> list[dict[str, Any]]:
    """Newest version first: predictions, share of the cost, and value where the use case says what decisions are worth."""
    total, everything = sum(row.usd for row in rows), sum(answered.values())
    currency = use_case.value.currency if use_case.value else ""
    found = []
    for version in sorted(answered, reverse=True):
        worth = findings.get(version, {}).get(WORTH) or {}
        scale = answered[version] / 1_000
        money = None if worth.get("value") is None else {
            name: None if worth.get(name) is None else worth[name] * scale for name in ("value", "low", "high")}
        found.append({"version": version, "predictions": answered[version], "cost_usd": total * answered[version] / everything,
                      "currency": currency, "value": money, "sample_size": worth.get("sample_size", 0)})
    return found


def _findings(session: Session, use_case: str) -> dict[int, dict[str, Any]]:
    """Version → the wanted findings of its newest evidence, over all rows."""
    query = (select(Candidate.number, EvidenceRow.body["findings"]).join(Candidate, EvidenceRow.candidate_id == Candidate.id)
             .where(EvidenceRow.use_case == use_case).order_by(EvidenceRow.created_at.desc()).limit(VERSIONS_MAX))
    found: dict[int, dict[str, Any]] = {}
    for number, listed in session.execute(query):
        found.setdefault(number, {one["metric"]: one for one in listed if one["metric"] in (WORTH, GAIN) and one["segment"] == "all"})
    return found


def _answered(session: Session, use_case: str) -> dict[int, int]:
    """Version → predictions in its monitored windows."""
    query = select(Window.version, func.sum(Window.rows)).where(Window.use_case == use_case).group_by(Window.version)
    return {version: int(rows) for version, rows in session.execute(query) if rows}


def _trained(session: Session, use_case: str, findings: dict[int, dict[str, Any]]) -> list[Trained]:
    """The newest candidates, oldest first."""
    query = select(Candidate).where(Candidate.use_case == use_case).order_by(Candidate.number.desc()).limit(VERSIONS_MAX)
    found = []
    for one in reversed(session.scalars(query).all()):
        gain = findings.get(one.number, {}).get(GAIN) or {}
        sides = None if gain.get("low") is None or gain.get("high") is None else (float(gain["low"]), float(gain["high"]))
        found.append(Trained(one.number, one.created_at.date(), sides, gain.get("unit", ""),
                             tuple((one.metrics.get("proposals") or {}).get("drop", ()))))
    return found


def _live(session: Session, use_case: str) -> int | None:
    row = session.get(RouteRow, use_case)
    champion = (row.body.get("champion") or {}) if row else {}
    return champion.get("version")
