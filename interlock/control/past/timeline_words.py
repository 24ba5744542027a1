"""The time machine's answer in plain sentences: the same for the command line and for the screen."""

from __future__ import annotations

from datetime import datetime

from interlock.control.past.timeline import Moment, Proof, Signature, Stretch
from interlock.rules.routes import Slot


def answer(found: Moment) -> list[str]:
    """What answered, since when, who decided, on what evidence, waivers, what changed next, the way back: one sentence each."""
    if found.stretch is None:
        said = [f"At {clock(found.at)} nothing had been released yet."]
        if found.changed_next is not None:
            said.append(f"The first release is of {clock(found.changed_next.since)}: {name(found.changed_next.champion)}.")
        return [*said, *_altered(found)]
    stretch = found.stretch
    said = [f"At {clock(found.at)} {name(stretch.champion)} answered{_beside(stretch)}, by generation {stretch.generation} of the route "
            f"(ledger entry {stretch.seq})."]
    if found.since is not None:
        until = f"until {clock(found.until)}" if found.until else "and still does"
        said.append(f"It had answered since {clock(found.since)} {until}.")
    if stretch.by_server and stretch.recorded_at is not None:
        said.append(f"The prediction server swapped by itself then; the ledger heard of it at {clock(stretch.recorded_at)}.")
    said += _who(found.put_there)
    said += _evidence(found.proof)
    if found.changed_next is not None:
        said.append(f"The next change was at {clock(found.changed_next.since)}: {change(found.changed_next)}.")
    return [*said, way_back(found), *_altered(found)]


def way_back(found: Moment) -> str:
    """What it would take to go back to what answered then, today."""
    if found.way_back is None:
        return "No way back is known: nothing answered then." if found.stretch is None or found.stretch.champion is None else \
            "The ledger does not show that this version answered: there is no way back to it."
    version = found.way_back.slot.version
    match found.way_back.way:
        case "answers now":
            return f"Version {version} answers now: there is nothing to go back to."
        case "instant":
            return f"To go back to version {version}: at once, it is loaded (interlock rollback {found.use_case} --to-version {version})."
        case "verify first":
            return (f"To go back to version {version}: some seconds, {found.way_back.why} "
                    f"(interlock rollback {found.use_case} --to-version {version}).")
    return f"There is no way back to version {version}: {found.way_back.why}."


def change(stretch: Stretch) -> str:
    """One change of the route, in words."""
    return f"{name(stretch.champion)}{_beside(stretch)}, by {stretch.actor}: {stretch.reason}"


def clock(moment: datetime) -> str:
    """To the second, UTC."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def name(slot: Slot | None) -> str:
    """A version with the start of its digest."""
    return "nothing" if slot is None else f"version {slot.version} ({slot.digest[:19]}…)"


def _beside(stretch: Stretch) -> str:
    if stretch.candidate is None:
        return ""
    if stretch.candidate_mode == "shadow":
        return f" (version {stretch.candidate.version} scored in the shadow, never returned)"
    return f" and version {stretch.candidate.version} had {stretch.candidate_percent:g} % of the requests"


def _who(decision: Signature | None) -> list[str]:
    if decision is None:
        return ["The ledger names no decision for it."]
    words = {"approve": "approved it", "rollback": "went back to it", "abort": "ended a release", "resume": "resumed a release",
             "pause": "paused a release"}
    did = words.get(decision.kind, decision.kind)
    return [f"{decision.actor} {did} at {clock(decision.at)}: {decision.reason} (ledger entry {decision.seq})."]


def _evidence(proof: Proof | None) -> list[str]:
    if proof is None:
        return ["The ledger holds no approval of this package."]
    approval = proof.approval
    passed = sum(verdict == "pass" for verdict in proof.gates.values())
    gates = f", {passed} of {len(proof.gates)} gates passed" if proof.gates else ""
    others = ", ".join(f"{gate} {verdict.upper()}" for gate, verdict in sorted(proof.gates.items()) if verdict != "pass")
    sealed = f", sealed {clock(proof.sealed_at)}" if proof.sealed_at else ""
    said = [f"It rests on evidence {str(approval.evidence_digest)[:19]}…{sealed}: {proof.verdict.upper()}{gates}"
            f"{f' (not: {others})' if others else ''}; approved by {approval.actor} at {clock(approval.at)}: {approval.reason}."]
    if proof.standing:
        said.append(f"{approval.actor} was not asked: it was covered by standing approval {proof.standing}.")
    said += [f"{waiver.actor} had waived {', '.join(waiver.detail.get('gates', []))}: {waiver.reason}." for waiver in proof.waivers]
    if approval.detail.get("single_person"):
        said.append("This installation lets one person approve their own work.")
    return said


def _altered(found: Moment) -> list[str]:
    if not found.altered:
        return []
    listed = ", ".join(map(str, found.altered[:10]))
    return [f"Beware: ledger entries {listed} are not what was written, and were left out. Run interlock verify."]
