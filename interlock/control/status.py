"""What is true now, within a second: what each endpoint itself answers with, where releases stand, what waits, which parts are up."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Thread
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from interlock.control.backups.schedule import backup_state
from interlock.control.decisions.undecided import Waiting, undecided
from interlock.control.endpoint import Endpoint, reached
from interlock.errors import InterlockError, Unavailable
from interlock.records import releases
from interlock.records.routes import all_routes, read_route
from interlock.records.store import Store, utc_now
from interlock.records.tables import Candidate
from interlock.rules.releases import ReleaseState
from interlock.rules.routes import Observed, Route, agrees
from interlock.settings import Settings

ASK_S = 0.7            # everything that is asked is asked at once, and for so long at most
KEEPER_SILENT_S = 15
ENDPOINTS_MAX = 200


@dataclass(frozen=True)
class UseCaseStatus:
    """One endpoint: what should answer, what does, what moves, what waits."""

    name: str
    route: Route
    observed: Observed | None
    says: str
    release: str
    waiting: list[Waiting]


@dataclass(frozen=True)
class Status:
    """The whole installation at one moment. `parts`: name → "up", or what is wrong."""

    at: datetime
    parts: dict[str, str]
    use_cases: list[UseCaseStatus] = field(default_factory=list)


def status(settings: Settings, store: Store, *, endpoint: Endpoint | None = None, clock: Callable[[], datetime] = utc_now) -> Status:
    """Ask everything at once; a part that is silent for `ASK_S` is said to be silent."""
    with store.reading() as session:
        names = sorted({route.use_case for route in all_routes(session)} | set(session.scalars(select(Candidate.use_case).distinct())))
        stored = {name: (read_route(session, name), _release(session, name), undecided(settings, session, name)) for name in names}
    with reached(settings, endpoint) as seam:
        observed = {name: _ask(partial(seam.observed, name)) for name in names[:ENDPOINTS_MAX]}
        asked = _ask_parts(settings)
        wait([*observed.values(), *asked.values()], timeout=ASK_S)
    found = {name: _answer(observed[name]) if name in observed else "not asked: too many use cases" for name in names}
    told = _tell(settings, asked, clock())
    told["backup"] = backup_state(settings, clock())
    return Status(clock(), told, [_use_case(name, found[name], *stored[name]) for name in names])


def parts(settings: Settings) -> dict[str, str]:
    """Prediction server, Prefect, MLflow, keeper: "up", or what is wrong, within `ASK_S`."""
    asked = _ask_parts(settings)
    wait(asked.values(), timeout=ASK_S)
    return _tell(settings, asked, utc_now())


def _ask_parts(settings: Settings) -> dict[str, Future[object]]:
    urls = {"prediction server": settings.control_url, "Prefect": settings.prefect_url, "MLflow": settings.mlflow_url}
    return {name: _ask(partial(_listens, url)) for name, url in urls.items()}


def _tell(settings: Settings, asked: dict[str, Future[object]], now: datetime) -> dict[str, str]:
    return {name: _told(future) for name, future in asked.items()} | {"keeper": keeper_state(settings, now)}


def keeper_state(settings: Settings, now: datetime) -> str:
    """"up", or since when the keeper is silent; errors it met are named."""
    path = settings.folder("run") / "keeper.json"
    try:
        told = json.loads(path.read_text())
        at = datetime.fromisoformat(told["at"])
    except (OSError, ValueError, KeyError):
        return "down: it has never run here (interlock keeper)"
    if abs(now - at) > timedelta(seconds=KEEPER_SILENT_S):
        return f"down: silent since {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    errors = [f"{step}: {text}".partition("\n")[0] for step, text in told.get("errors", {}).items()]
    return f"up, with trouble: {'; '.join(errors)}" if errors else "up"


def _ask(question: Callable[[], object]) -> Future[object]:
    """Ask in a daemon thread: one that hangs cannot keep the program from ending."""
    answer: Future[object] = Future()

    def run() -> None:
        try:
            answer.set_result(question())
        except Exception as error:  # noqa: BLE001 - carried to whoever reads the answer
            answer.set_exception(error)

    Thread(target=run, daemon=True, name="status").start()
    return answer


def _listens(url: str) -> None:
    """Raise `Unavailable` unless something accepts connections there."""
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname or "127.0.0.1", port), timeout=ASK_S).close()
    except OSError as error:
        raise Unavailable(f"nothing answers at {url}") from error


def _answer(future: Future[object]) -> Observed | str:
    if not future.done():
        return f"no answer within {ASK_S:g} s"
    error = future.exception()
    if isinstance(error, InterlockError):
        return error.what
    found = future.result()
    return found if isinstance(found, Observed) else "no answer"


def _told(future: Future[object]) -> str:
    if not future.done():
        return f"down: no answer within {ASK_S:g} s"
    error = future.exception()
    return "up" if error is None else f"down: {error}"


def _release(session: Session, use_case: str) -> str:
    moving = releases.open_release(session, use_case)
    route = read_route(session, use_case)
    found = moving or (releases.of_package(session, use_case, route.champion.digest, releases.ANSWERING) if route.champion else None)
    if found is None:
        return "none"
    candidate = session.get_one(Candidate, found.candidate_id)
    step = f" step {found.step}" if found.state in {ReleaseState.SHADOW, ReleaseState.CANARY, ReleaseState.PAUSED} else ""
    return f"version {candidate.number} {found.state}{step} ({found.id})"


def _use_case(name: str, answer: Observed | str, route: Route, release: str, waits: list[Waiting]) -> UseCaseStatus:
    if isinstance(answer, str):
        last = f"; its last route says version {route.champion.version}" if route.champion else ""
        return UseCaseStatus(name, route, None, f"unknown: {answer}{last}", release, waits)
    if answer.champion is None:
        says = "nothing is live" if route.champion is None else "nothing yet: not converged"
        return UseCaseStatus(name, route, answer, says, release, waits)
    says = f"version {answer.champion.version} {answer.champion.digest[:19]}…"
    if answer.candidate is not None:
        says += f", {answer.candidate_percent:g} % version {answer.candidate.version}"
    if answer.override:
        says += f", rolled back on the server by {answer.override_actor}: not written down yet"
    elif not agrees(route, answer):
        says += f" (generation {answer.generation}, should be {route.generation})"
    elif route.previous is None:
        says += ", no way back"
    return UseCaseStatus(name, route, answer, says, release, waits)
