"""Decisions that wait for a person, and those already taken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from interlock.control.decisions.undecided import Waiting, undecided
from interlock.control.readmodel.proof import Proof
from interlock.records.store import Store
from interlock.records.tables import Candidate, Decision
from interlock.rules.approval import same_person
from interlock.rules.strategies import Step, StepKind, steps_of
from interlock.settings import Settings
from interlock.spec.usecase import UseCase


@dataclass(frozen=True)
class Taken:
    """One decision with what it was about."""

    id: str
    kind: str
    use_case: str
    version: int | None
    package_digest: str | None
    evidence_digest: str | None
    actor: str
    reason: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True)
class Plan:
    """What an approval starts, in words: one line per step, the abort rules, the way back."""

    steps: tuple[str, ...]
    rules: tuple[str, ...]
    way_back: str
    short: str = ""  # the steps in one sentence


def waiting(settings: Settings, store: Store, use_case: str | None = None) -> list[Waiting]:
    """What a person can decide on now, newest evidence first."""
    with store.reading() as session:
        names = [use_case] if use_case is not None else session.scalars(select(Candidate.use_case).distinct()).all()
        found = [one for name in names for one in undecided(settings, session, name)]
    return sorted(found, key=lambda one: one.created_at, reverse=True)


def taken(store: Store, use_case: str | None = None, limit: int = 50) -> list[Taken]:
    """Decisions, newest first."""
    query = select(Decision, Candidate.number).outerjoin(Candidate, Decision.candidate_id == Candidate.id)
    if use_case is not None:
        query = query.where(Decision.use_case == use_case)
    with store.reading() as session:
        rows = session.execute(query.order_by(Decision.created_at.desc()).limit(limit)).all()
    return [Taken(row.id, row.kind, row.use_case, number, row.package_digest, row.evidence_digest, row.actor, row.reason, row.created_at,
                  row.expires_at) for row, number in rows]


def duties(settings: Settings, case: UseCase | None, proof: Proof, actor: str) -> str:
    """Why separation of duties stops this actor, in one sentence; empty where it does not. The action decides, not this text."""
    declared = case.approval.author if case else None
    names = {"wrote the use case": [declared or "", proof.author], "started the training": [proof.started_by]}
    made = [role for role, known in names.items() if any(same_person(actor, name) for name in known)]
    if not made:
        return ""
    if settings.single_person:
        return f"{actor} {' and '.join(made)}. This installation allows one person to do both, and the ledger will say so."
    return f"{actor} {' and '.join(made)}, so somebody else has to approve."


def plan(case: UseCase | None, champion_version: int | None) -> Plan:
    """The rollout of the use-case file in words."""
    back = (f"Version {champion_version} stays loaded. One click on Rollback puts it back at once, without waiting for any gate."
            if champion_version else
            "Nothing is live yet, so there is no model to go back to. Rollback becomes possible after the next release.")
    if case is None:
        unknown = "The use-case file cannot be read, so the steps cannot be shown here."
        return Plan((unknown,), (), back, unknown)
    rollout = case.rollout
    load = case.staging
    borne = f" and bears {load.load_rate_per_s:g} requests a second for {load.load_seconds:g} s" if load.load_seconds else ""
    steps = ["The package is verified byte by byte and answers known rows in a separate process.",
             f"On a staging server that no customer reaches it answers known and real rows{borne}."]
    if champion_version is not None:
        steps += [_step_words(step) for step in steps_of(rollout)]
    steps.append(f"It answers everything, on probation for {_span(rollout.probation_s)}; then it counts as confirmed.")
    rules = (f"more than {rollout.error_rate_max:.1%} of its answers fail",
             f"it refuses {rollout.refusal_rate_difference_max:.0%} more requests than the champion",
             f"its slowest 1 % take more than {rollout.latency_p99_ratio_max:g} times the champion's",
             f"its scores differ from the champion's by a PSI over {rollout.score_shift_max:g}")
    on_its_way = [_step_short(step) for step in steps_of(rollout)] if champion_version is not None else []
    last = f"everything, {_span(rollout.probation_s)} on probation"
    short = f"{'; then '.join(['Staging, where no customer sees it', *on_its_way, last])}."
    short += " A breach of its limits takes it off by itself." if champion_version is not None else ""
    return Plan(tuple(steps), rules if champion_version is not None else (), back, short)


def expiry(case: UseCase | None, proof: Proof) -> datetime | None:
    """When the evidence becomes too old to decide on."""
    return proof.created_at + timedelta(days=case.approval.evidence_days_max) if case else None


def _step_words(step: Step) -> str:
    """What one step of the rollout does, in a sentence."""
    least = f"for at least {_span(step.bake_s)} and {step.requests_min:,} answers"
    return {StepKind.SHADOW: f"It scores {step.percent:g} % of requests after the champion has answered them, {least}; no customer is "
                             "given its answers.",
            StepKind.PREVIEW: f"For {_span(step.bake_s)} it answers only who asks for its version by address.",
            StepKind.SHARE: f"It answers {step.percent:g} % of requests {least}.",
            StepKind.AB: f"A/B test: it answers {step.percent:g} % of the entities {least}, until the sequential test stops."}[step.kind]


def _step_short(step: Step) -> str:
    """`10 % for at least 5 minutes`."""
    what = {StepKind.SHADOW: f"{step.percent:g} % mirrored, never answered", StepKind.PREVIEW: "only who asks for it",
            StepKind.SHARE: f"{step.percent:g} %", StepKind.AB: f"A/B test with {step.percent:g} %"}[step.kind]
    return f"{what} for at least {_span(step.bake_s)}"


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds / size
            return f"{count:g} {unit}{'' if count == 1 else 's'}"
    return f"{seconds:g} seconds"
