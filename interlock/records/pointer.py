"""The files beside the prediction server: last route and unabsorbed override of each use case, and the proofs of packages.

    run/routes/<use_case>.json       the last route that the server converged to: it starts from this without the store
    run/overrides/<use_case>.json    a rollback that the store has not absorbed yet (law 5): outranks the route
    run/proven/<digest>.json         this package answered its golden rows in a child process under this XGBoost

Every write goes to a temporary file, is fsynced, renamed, and the folder fsynced: a reader sees the old or the new text, never half.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from interlock.errors import StoreError
from interlock.records.segments import sync_folder
from interlock.rules.routes import Route, Slot

_NAME = re.compile(r"[a-z][a-z0-9_]{1,62}")
Kind = Literal["routes", "overrides"]
ModelT = TypeVar("ModelT", bound=BaseModel)
NEXT_STEPS: dict[Kind, str] = {
    "routes": "remove the file; the keeper sends the route again",
    "overrides": "this was a rollback: without the file the version that was taken off answers again. Look whether it is on record "
                 "(interlock history); if not, remove the file, start the server, and roll back at once"}


class Override(BaseModel):
    """A rollback carried out by the server alone. `generation` is that of the route it outranks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    use_case: str
    id: str
    generation: int
    actor: str
    reason: str
    at: datetime
    champion: Slot | None
    previous: Slot | None


def effective(route: Route, override: Override | None) -> Route:
    """What is answered with: the route, or what the override made of it."""
    if override is None:
        return route
    changed = {"champion": override.champion, "previous": override.previous, "candidate": None, "candidate_percent": 0}
    return route.model_copy(update=changed)


def read_routes(run: Path, damaged: Callable[[StoreError], None] | None = None) -> dict[str, Route]:
    """The last route of every use case. `damaged` is told of each file that cannot be read, and the others count all the same; without
    it the first such file is raised as `StoreError`."""
    return _read_all(run, "routes", Route, damaged)


def read_overrides(run: Path) -> dict[str, Override]:
    """Overrides that are not absorbed yet. `StoreError` where one cannot be read: without it the route that it outranks would count."""
    return _read_all(run, "overrides", Override)


def write_route(run: Path, route: Route) -> None:
    """Keep the route durably. Raises OSError."""
    write_durably(_path(run, "routes", route.use_case), route.model_dump_json(indent=2).encode())


def write_override(run: Path, override: Override) -> None:
    """Keep the override durably. Raises OSError."""
    write_durably(_path(run, "overrides", override.use_case), override.model_dump_json(indent=2).encode())


def drop_override(run: Path, use_case: str) -> None:
    """Forget the override durably; it is no error when there is none. Raises OSError."""
    path = _path(run, "overrides", use_case)
    if path.exists():
        path.unlink()
        sync_folder(path.parent)


def write_durably(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace the file's content at once and for good. Raises OSError; the old content stays then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")  # two threads may write the same file at once
    try:
        handle = os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(handle)
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _path(run: Path, kind: Kind, use_case: str) -> Path:
    if not _NAME.fullmatch(use_case):
        raise StoreError("this is no name of a use case", value=use_case, allowed="a-z, 0-9, _; 2 to 63 characters")
    return run / kind / f"{use_case}.json"


def _read_all(run: Path, kind: Kind, model: type[ModelT], damaged: Callable[[StoreError], None] | None = None) -> dict[str, ModelT]:
    found: dict[str, ModelT] = {}
    for path in sorted((run / kind).glob("[!.]*.json")):
        try:
            found[path.stem] = model.model_validate_json(path.read_bytes())
        except ValidationError as error:
            found_bad = StoreError(f"{path} is damaged: {error.errors()[0]['msg']}",
                                   next_step=NEXT_STEPS[kind])
            if damaged is None:
                raise found_bad from error
            damaged(found_bad)
    return found
