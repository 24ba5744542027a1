"""What belongs to a backup: every file below `home` but a stated few, the use-case files, what was captured, and the lake's files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from interlock.errors import Unavailable
from interlock.records.compaction import alone
from interlock.records.lake import Lake, LocalLake
from interlock.records.store import utc_now
from interlock.records.tables import Batch, Candidate, Snapshot, Window
from interlock.settings import Settings

LEFT_OUT = {  # first part of a path below home → why it is not in a backup
    "keys": "secrets: keys of personal tokens and of clients; keep them in a safe of their own",
    "run": "token, locks, routes and proofs: made anew; an unabsorbed rollback is named in the manifest",
    "log": "logs",
    "prefect": "Prefect's run history: a mirror, rebuilt by new runs",
    "mlflow": "MLflow's runs: a mirror of candidates and packages",
    "store.db": "copied on its own, consistently", "store.db-wal": "part of the store", "store.db-shm": "part of the store",
    "lake": "listed on its own", "capture": "copied on its own",
}
LAKE_KINDS = ("rows", "quarantine", "profiles", "windows", "predictions", "shadow", "labels")
CAPTURED_KINDS = ("predictions", "shadow", "labels")
COMPACTION_WAIT_S = 120.0


def home_files(home: Path) -> Iterator[tuple[str, Path]]:
    """Plain files below home that belong to a backup: path from home, and where it is. Names that begin with a dot are half written."""
    for path in sorted(home.rglob("*")):
        parts = path.relative_to(home).parts
        hidden = any(part.startswith(".") for part in parts)
        if parts[0] not in LEFT_OUT and parts[0] != "usecases" and not hidden and path.is_file() and not path.is_symlink():
            yield path.relative_to(home).as_posix(), path


def usecase_files(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Use-case and view files, to lie under `usecases/` of a restored home."""
    folder = settings.usecases_dir.resolve()
    for path in sorted(folder.rglob("*.toml")):
        yield f"usecases/{path.relative_to(folder).as_posix()}", path


def capture_files(folder: Path) -> list[Path]:
    """Compaction manifest first, then the segments: what the manifest says was read is in the segments that follow."""
    manifest = folder / "compaction.json"
    return [*([manifest] if manifest.is_file() else []), *sorted(folder.glob("*.seg"))]


def use_cases_of(session: Session, settings: Settings) -> list[str]:
    """Every use case that left a trace in the store or was captured."""
    names = {name for table in (Snapshot, Batch, Candidate, Window) for name in session.scalars(select(table.use_case).distinct())}
    return sorted(names | {path.name for path in settings.folder("capture").iterdir() if path.is_dir()})


def lake_keys(lake: Lake, use_case: str, captured: bool) -> list[str]:
    """Keys of a use case: of captured kinds, or of all others."""
    kinds = {*LAKE_KINDS}
    if isinstance(lake, LocalLake):  # a folder can say itself which kinds there are
        folder = lake.root / lake.environment / use_case
        kinds |= {path.name for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else set()
    wanted = kinds & {*CAPTURED_KINDS} if captured else kinds - {*CAPTURED_KINDS}
    return [key for kind in sorted(wanted) for key in lake.keys(use_case, kind)]


def keys_named(session: Session) -> Iterator[str]:
    """Keys of the lake that the store names: without them a snapshot cannot be read."""
    for files in session.scalars(select(Batch.files)):
        yield from (entry["key"] for entry in files if entry["kind"] != "source")
    for manifest in session.scalars(select(Snapshot.manifest)):
        yield from (entry["key"] for entry in manifest["files"])


@contextmanager
def compaction_held(folder: Path) -> Iterator[None]:
    """Keep compaction of one use case away for the block: it would merge and remove files that are being copied. Capture itself goes on.

    `Unavailable` where a compaction at work does not end within `COMPACTION_WAIT_S`.
    """
    with alone(folder, COMPACTION_WAIT_S) as mine:
        if not mine:
            raise Unavailable("the compaction of captured predictions does not end", value=folder, next_step="try again later")
        yield


def made_anew_of(run: Path) -> dict[str, Any]:
    """What the server keeps beside the store and no backup holds, in numbers, for whoever restores: `api_keys` that are in force (None: the
    file cannot be read), and `served`: versions that each use case could be asked for by number.

    Neither is copied: a manifest is no signature, and whoever may write to the backup folder must not let callers or versions in.
    """
    from interlock.serving.keys import read_keys
    from interlock.serving.served_here import Served

    served = Served(run)
    names = sorted(path.stem for path in (run / "served").glob("[!.]*.json"))
    try:
        keys: int | None = sum(key.state(utc_now()) == "valid" for key in read_keys(run))
    except (ValidationError, OSError):  # the server lets nobody in then, and says so; a backup is made all the same
        keys = None
    return {"api_keys": keys, "served": {name: sorted(int(version) for version in served.of(name)) for name in names}}


def overrides_of(run: Path) -> list[dict[str, Any]]:
    """Rollbacks that the server carried out and the store has not absorbed: told in the manifest, for whoever restores."""
    from interlock.records.pointer import read_overrides

    return [override.model_dump(mode="json") for override in read_overrides(run).values()]
