"""Who may decide what, and when a yes counts. Pure: facts in, objections out; no objection means that it may be done."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from interlock.rules.canonical import iso
from interlock.rules.evidence import Evidence
from interlock.rules.gates import GateResult, Verdict, blocking

ROLES = ("viewer", "analyst", "approver", "operator", "auditor", "admin")
ALLOWED: dict[str, frozenset[str]] = {
    "approve": frozenset({"approver", "admin"}),
    "reject": frozenset({"approver", "admin"}),
    "waive": frozenset({"approver", "admin"}),
    "rollback": frozenset({"operator", "approver", "admin"}),
    "pause": frozenset({"operator", "approver", "admin"}),
    "resume": frozenset({"operator", "approver", "admin"}),
    "abort": frozenset({"operator", "approver", "admin"}),
    "grant": frozenset({"approver", "admin"}),
    "revoke": frozenset({"approver", "admin"}),
    "revoke own": frozenset(ROLES),
    "retire": frozenset({"approver", "admin"}),
    "change keys": frozenset({"operator", "admin"}),
    "see rows": frozenset({"analyst", "approver", "operator", "auditor", "admin"}),  # one captured or quarantined row
    "propose": frozenset({"analyst", "approver", "operator", "admin"}),  # a change of a use-case file, as a diff
    "re-ingest": frozenset({"analyst", "operator", "admin"}),
    "export bundle": frozenset({"auditor", "admin"}),
    "confirm restore": frozenset({"operator", "admin"}),
    "end sessions": frozenset({"admin"}),  # of somebody else
}
NOBODY = frozenset({"", "scheduler", "schedule", "keeper", "interlock", "unknown"})  # names that are not a person


@dataclass(frozen=True)
class Waiver:
    """The first signature under an exception: gates that need not pass, until when, and who says so."""

    decision_id: str
    actor: str
    gates: frozenset[str]
    expires_at: datetime


@dataclass(frozen=True)
class ApprovalFacts:
    """Everything an approval rests on, read in the transaction that decides."""

    now: datetime
    actor: str
    authors: tuple[str, ...]  # the one declared in the use case, and the last committer
    started_by: str
    single_person: bool
    evidence: Evidence
    sealed_digest: str
    candidate_package: str
    policy_digest: str
    champion_digest: str | None
    generation: int
    expected_generation: int
    evidence_days_max: float
    waivers: list[Waiver] = field(default_factory=list)
    open_release: str | None = None
    retired: bool = False
    superseded: bool = False  # newer evidence about the candidate rests on the same champion and policy
    package_there: bool = True
    seal: str | None = None  # of `evidence`, where it has just been computed from the same bytes; None: computed here


def may(roles: Iterable[str], action: str) -> bool:
    """Whether one of the roles permits the action."""
    return bool(ALLOWED[action] & set(roles))


def identities(name: str) -> frozenset[str]:
    """The ways one person is written: "Ann Lee <a.lee@x.org>" is the full name, the address and the login before its "@".

    Dots, dashes and spaces do not tell two people apart ("ann.lee" is "Ann Lee"), nor do the tag of an address ("ann+work@x.org") and
    the number in front of a hosting site's ("123+ann@users.noreply.github.com"). Better refused once too often.
    """
    text = " ".join(name.casefold().split())
    found = {text}
    if "<" in text and text.endswith(">"):
        person, _, address = text[:-1].partition("<")
        found |= {person.strip(), address.strip()}
    found |= {_login(part.partition("@")[0]) for part in list(found) if "@" in part and " " not in part}
    found |= {re.sub(r"[ ._-]+", "", part) for part in list(found) if "@" not in part}
    return frozenset(part for part in found if part not in NOBODY)


def _login(local_part: str) -> str:
    before, plus, after = local_part.partition("+")
    return after if plus and before.isdigit() else before


def same_person(one: str, other: str) -> bool:
    """Whether two names may be the same person; a scheduler is nobody and the same as no one."""
    return bool(identities(one) & identities(other))


def objections(facts: ApprovalFacts) -> list[str]:
    """Every reason why this approval must be refused, as sentences for the person; empty: it may be given."""
    return [*_person(facts), *_binding(facts), *_verdict(facts)]


def void_reasons(facts: ApprovalFacts) -> list[str]:
    """Why nobody can approve this evidence any more, whoever asks and whatever else is on its way; empty: it still counts."""
    return _binding(replace(facts, open_release=None, expected_generation=facts.generation))


def _person(facts: ApprovalFacts) -> list[str]:
    if facts.single_person:
        return []
    if not any(identities(name) for name in (*facts.authors, facts.started_by)):
        return ["nobody knows who wrote this: commit it or set [approval] author"]
    found = [f"{facts.actor} is the author of the use case ({author}): somebody else must approve"
             for author in facts.authors if same_person(facts.actor, author)]
    if same_person(facts.actor, facts.started_by):
        found.append(f"{facts.actor} started the training: somebody else must approve")
    return found


def _binding(facts: ApprovalFacts) -> list[str]:
    """Evidence, policy, champion and generation are still the ones that the person looked at."""
    evidence, found = facts.evidence, []
    if (facts.seal or evidence.seal()) != facts.sealed_digest:
        found.append("the evidence was changed after it was sealed: run validate again")
    if evidence.package_digest != facts.candidate_package:
        found.append("the evidence is about another package than the candidate's")
    if evidence.policy_digest != facts.policy_digest:
        found.append("the use-case file changed since the evidence was made: run validate again")
    if evidence.champion_digest != facts.champion_digest:
        found.append("the champion changed since the evidence was made: run validate again")
    if facts.now - evidence.created_at > timedelta(days=facts.evidence_days_max):
        found.append(f"the evidence is stale: made on {iso(evidence.created_at)}, at most {facts.evidence_days_max:g} days old is allowed")
    if facts.generation != facts.expected_generation:
        found.append(f"the route is at generation {facts.generation}, not {facts.expected_generation} as you saw it: look again")
    if facts.candidate_package == facts.champion_digest:
        found.append("this package is already live")
    if facts.retired:
        found.append("this version was retired: train another one")
    if facts.superseded:
        found.append("newer evidence about this version exists: look at that one")
    if not facts.package_there:
        found.append("its package is not on disk any more: train again")
    if facts.open_release is not None:
        found.append(f"release {facts.open_release} of this use case is still on its way: wait for it, or abort it")
    return found


def _verdict(facts: ApprovalFacts) -> list[str]:
    """PASS lets through; else every gate that stops must be waived by another person, in writing, and not expired."""
    if facts.evidence.verdict is Verdict.PASS:
        return []
    open_gates, found = uncovered(facts.evidence.gates, valid_waivers(facts)), []
    if not facts.evidence.gates:
        found.append("the evidence has no gates: nothing was judged")
    for result in open_gates:
        way = f"can be waived: interlock waive … --gate {result.gate}" if result.waivable else "cannot be waived"
        found.append(f"gate '{result.gate}' says {result.verdict.value.upper()} and {way}")
    return found


def valid_waivers(facts: ApprovalFacts) -> list[Waiver]:
    """Waivers that count for this approval: not expired, and signed by somebody else than the approver."""
    return [waiver for waiver in facts.waivers if counts(waiver, facts.now, facts.actor, single_person=facts.single_person)]


def counts(waiver: Waiver, now: datetime, approver: str, *, single_person: bool) -> bool:
    """Whether a waiver counts for an approval by `approver`: not expired, and signed by somebody else."""
    return waiver.expires_at > now and (single_person or not same_person(waiver.actor, approver))


def uncovered(gates: list[GateResult], waivers: list[Waiver]) -> list[GateResult]:
    """Blocking results that no waiver covers; an error, missing or stale evidence can never be covered."""
    covered = {gate for waiver in waivers for gate in waiver.gates}
    return [result for result in blocking(gates) if not (result.waivable and result.gate in covered)]


def waiver_objections(gates: list[GateResult], names: Iterable[str]) -> list[str]:
    """Why these gates cannot be waived; empty: they can."""
    stopping, found = {result.gate: result for result in blocking(gates)}, []
    wanted = list(names)
    if not wanted:
        found.append("no gate is named")
    for name in wanted:
        if name not in stopping:
            found.append(f"gate '{name}' does not stop this candidate (stopping: {', '.join(sorted(stopping)) or 'none'})")
        elif not stopping[name].waivable:
            found.append(f"gate '{name}' rests on an error, or on missing or stale evidence: that can never be waived")
    return found
