"""`interlock approve | reject | waive | rollback | pause | resume | abort | status | verify | keeper`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from interlock.control.decisions.receipts import Receipt
    from interlock.control.decisions.undecided import Waiting
    from interlock.records.store import Store
    from interlock.settings import Settings

Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; it stays in the ledger.")]
Version = Annotated[int | None, typer.Option("--version", "-v", help="Version of the candidate (default: the only one waiting).")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask again.")]
Name = Annotated[str, typer.Argument(help="Name of the use case.")]
ReleaseId = Annotated[str, typer.Argument(help="Id of the release, as `interlock status` shows it.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for command in (approve, reject, waive, rollback, pause, resume, abort, status, verify, keeper):
        app.command()(command)


def approve(use_case: Name, reason: Reason, version: Version = None, yes: Yes = False) -> None:
    """Say yes to a waiting candidate; `deploy` then verifies it and puts it on its way."""
    from interlock.control.decisions import actions

    _decide(use_case, version, yes, "approve", lambda **known: actions.approve(**known, reason=reason))


def reject(use_case: Name, reason: Reason, version: Version = None, yes: Yes = False) -> None:
    """Say no to a waiting candidate for good."""
    from interlock.control.decisions import actions

    _decide(use_case, version, yes, "reject", lambda **known: actions.reject(**known, reason=reason))


def waive(use_case: Name, reason: Reason, gate: Annotated[list[str], typer.Option(help="Gate that need not pass; repeatable.")],
          hours: Annotated[float, typer.Option(help="Hours after which the waiver ends.")], version: Version = None,
          ask: Annotated[bool, typer.Option(help="At the end ask people again, instead of rolling back.")] = False,
          yes: Yes = False) -> None:
    """Sign first under an exception; somebody else must then approve."""
    from interlock.control.decisions import actions

    def sign(expected_generation: int, **known: Any) -> Receipt:
        return actions.waive(**known, reason=reason, gates=gate, hours=hours, on_expiry="ask" if ask else "rollback")

    _decide(use_case, version, yes, "waive gates of", sign)


def rollback(use_case: Name, reason: Reason, yes: Yes = False,
             to_version: Annotated[int | None, typer.Option(min=1, help="Any version that answered before (default: the previous one, "
                                                            "at once).")] = None) -> None:
    """Let the previous version, or any that answered before, answer again; works with the store, Prefect or MLflow down."""
    from sqlalchemy.exc import SQLAlchemyError

    from interlock.control.access.people import actor_name
    from interlock.control.decisions import actions
    from interlock.control.endpoint import reached
    from interlock.errors import StoreError, Unavailable
    from interlock.records.ids import new_id
    from interlock.records.routes import read_route
    from interlock.records.store import open_store
    from interlock.settings import load_settings

    settings = load_settings()
    # a store that is damaged must not stop a rollback: its revision is not asked for
    with closing(open_store(settings, check=False)) as store, reached(settings) as endpoint:
        try:
            with store.reading(hasty=True) as session:
                route = read_route(session, use_case)
        except (Unavailable, StoreError, SQLAlchemyError):
            observed = endpoint.observed(use_case)
            generation, champion, previous = observed.generation, observed.champion, observed.previous
        else:
            generation, champion, previous = route.generation, route.champion, route.previous
        names = [f"version {slot.version}" if slot else "nothing" for slot in (previous, champion)]
        names[0] = names[0] if to_version is None else f"version {to_version}"
        _confirm(yes, f"{use_case}: {names[0]} instead of {names[1]}?")
        _print(actions.rollback(settings, store, actor=actor_name(settings), use_case=use_case, reason=reason, nonce=new_id(),
                                expected_generation=generation, to_version=to_version, endpoint=endpoint))


def pause(release_id: ReleaseId, reason: Reason) -> None:
    """Hold a release at its step: the champion answers everything until somebody resumes or aborts."""
    from interlock.control.decisions import actions

    _steer(release_id, lambda **known: actions.pause(**known, reason=reason))


def resume(release_id: ReleaseId, reason: Reason) -> None:
    """Let a paused release begin its step anew."""
    from interlock.control.decisions import actions

    _steer(release_id, lambda **known: actions.resume(**known, reason=reason))


def abort(release_id: ReleaseId, reason: Reason) -> None:
    """End a release that is not live yet."""
    from interlock.control.decisions import actions

    _steer(release_id, lambda **known: actions.abort(**known, reason=reason))


def status() -> None:
    """What is live as the endpoints themselves answer, what moves, what waits, which parts are up."""
    from interlock.control import status as reading

    with _opened() as (settings, store):
        found = reading.status(settings, store)
    for part, state in found.parts.items():
        typer.echo(f"{part:18} {state}")
    for item in found.use_cases:
        typer.echo(f"\n{item.name}\n  answers   {item.says}\n  route     generation {item.route.generation}\n  release   {item.release}")
        for wait in item.waiting:
            typer.echo(f"  waiting   version {wait.version}: {wait.verdict.upper()}, evidence {wait.evidence_digest[:19]}… "
                       f"(interlock approve {item.name} --version {wait.version} --reason …)")
    if not found.use_cases:
        typer.echo("\nno candidate yet: interlock train, or make demo")


def verify(head: Annotated[Path | None, typer.Option(help="An exported head (default: the one beside the store).")] = None) -> None:
    """Recompute the ledger's chain; exit code 1 where anything was edited, deleted, reordered, forked or cut."""
    from interlock.control.keeping.keeper import head_path
    from interlock.errors import StoreError
    from interlock.records import ledger

    with _opened() as (settings, store):
        path = head or head_path(settings)
        anchor = ledger.read_head(path)
        if head is not None and anchor is None:
            raise StoreError("there is no exported head", value=str(path), next_step="interlock verify, without --head")
        report = ledger.verify(store, anchor)
    for problem in report.problems:
        typer.echo(f"✗ {problem}", err=True)
    anchored = f"anchored at entry {anchor.seq} exported on {anchor.at}" if anchor else "no exported head: a cut tail would not show"
    typer.echo(f"{report.entries:,} entries, head {report.head.hash[:19]}…, {anchored}: {'whole' if report.ok else 'BROKEN'}")
    raise typer.Exit(0 if report.ok else 1)


def keeper() -> None:
    """Dispatch, advance releases, reconcile and compact, until stopped."""
    import logging

    from interlock.control.keeping.keeper import run
    from interlock.settings import load_settings

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with _opened() as (settings, store):
        run(settings, store, reread=load_settings)


@contextmanager
def _opened() -> Iterator[tuple[Settings, Store]]:
    from interlock.control.opening import opened_store

    with opened_store() as found:
        yield found


def _decide(use_case: str, version: int | None, yes: bool, word: str, act: Callable[..., Receipt]) -> None:
    """Find the waiting evidence, say what will happen, ask, act."""
    from interlock.control.access.people import actor_name
    from interlock.control.decisions.undecided import undecided
    from interlock.records.ids import new_id
    from interlock.records.routes import read_route

    with _opened() as (settings, store):
        with store.reading() as session:
            chosen = _chosen(undecided(settings, session, use_case), use_case, version)
            generation = read_route(session, use_case).generation
        _confirm(yes, f"{word} version {chosen.version} of {use_case} ({chosen.verdict.upper()}, evidence {chosen.evidence_digest[:19]}…)?")
        _print(act(settings=settings, store=store, actor=actor_name(settings), evidence_digest=chosen.evidence_digest, nonce=new_id(),
                   expected_generation=generation))


def _chosen(waits: list[Waiting], use_case: str, version: int | None) -> Waiting:
    from interlock.errors import DecisionRefused

    fitting = [item for item in waits if version is None or item.version == version]
    if len(fitting) != 1:
        wanted = f" with version {version}" if version else ""
        known = ", ".join(f"--version {item.version}" for item in waits)
        raise DecisionRefused(f"{len(fitting)} candidates of '{use_case}' wait for a decision{wanted}", allowed=known or "none waits",
                              next_step="interlock status")
    return fitting[0]


def _steer(release_id: str, act: Callable[..., Receipt]) -> None:
    from interlock.control.access.people import actor_name
    from interlock.records import releases
    from interlock.records.ids import new_id
    from interlock.records.routes import read_route

    with _opened() as (settings, store):
        with store.reading() as session:
            generation = read_route(session, releases.get(session, release_id).use_case).generation
        _print(act(settings=settings, store=store, actor=actor_name(settings), release_id=release_id, nonce=new_id(),
                   expected_generation=generation))


def _confirm(yes: bool, question: str) -> None:
    if not yes:
        typer.confirm(question, abort=True)


def _print(receipt: Receipt) -> None:
    typer.echo(f"{receipt.kind}: {receipt.sentence}")
    typer.echo(f"decision {receipt.decision_id or 'not written down yet'}, ledger entry {receipt.ledger_seq or '–'}, by {receipt.actor}")
    if receipt.observed is not None and receipt.observed.champion is not None:
        typer.echo(f"the endpoint answers with version {receipt.observed.champion.version} {receipt.observed.champion.digest[:19]}…")
    for warning in receipt.warnings:
        typer.echo(f"! {warning}", err=True)
