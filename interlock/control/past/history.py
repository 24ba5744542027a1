"""The ledger as lines for a person: who decided what on which evidence, and what changed."""

from __future__ import annotations

from typing import Any

from interlock.records import ledger
from interlock.records.store import Store
from interlock.records.tables import LedgerEntry
from interlock.rules.canonical import iso


def lines(store: Store, use_case: str | None = None, limit: int = 50) -> list[str]:
    """The newest `limit` entries, oldest of them first."""
    with store.reading() as session:
        return [line(entry) for entry in reversed(ledger.entries(session, use_case=use_case, limit=limit))]


def line(entry: LedgerEntry) -> str:
    """One entry as one line."""
    return f"{entry.seq:>6}  {iso(entry.created_at)[:19]}Z  {entry.use_case or '-'}  {entry.kind}  {sentence(entry)}"


def sentence(entry: LedgerEntry) -> str:
    """What the entry tells, in words; unknown kinds show the start of their body."""
    body = ledger.body_of(entry)
    if entry.kind == "route.changed":
        return f"{body['actor']}: {_route(body['before'])} → {_route(body['after'])} ({body['reason']})"
    if entry.kind == "release.changed":
        return f"{body['actor']}: {_state(body['before'])} → {_state(body['after'])} ({body['reason']})"
    if entry.kind.startswith("decision."):
        evidence = f" on evidence {body['evidence_digest'][:19]}…" if body["evidence_digest"] else ""
        return f"{body['actor']}: {body['reason']}{evidence}"
    return str(body.get("sentence") or entry.body[:160])


def _route(route: dict[str, Any]) -> str:
    champion, candidate = route["champion"], route["candidate"]
    mirrored = " mirrored to" if route.get("candidate_mode") == "shadow" else ""  # routes of before the shadow have no mode
    share = f" + {float(route['candidate_percent']):g} %{mirrored} v{candidate['version']}" if candidate else ""
    return f"g{route['generation']} {'v' + str(champion['version']) if champion else 'nothing'}{share}"


def _state(state: dict[str, Any]) -> str:
    return f"{state['state']}{' ' + str(state['step']) if state['state'] in {'shadow', 'canary', 'paused'} else ''}"
