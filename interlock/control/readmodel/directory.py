"""Which use cases there are: those with a file and those the store remembers. Files are read once per version of theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import select, union

from interlock.errors import InterlockError
from interlock.records.prepared import prepared
from interlock.records.store import Store
from interlock.records.tables import Candidate, RouteRow, Snapshot
from interlock.settings import Settings
from interlock.spec.usecase import UseCase

KIND, FORMAT = "file", "2"  # FORMAT: raise it when `_facts` or the checks of files say something else
PARSED_MAX = 64  # use cases held in memory after reading


@dataclass(frozen=True)
class Entry:
    """One use case. `spec` is None where its file is gone or wrong; then `problem` says so. `facts`: what lists need of the file.

    The file is read when `spec` is asked for: a list of a thousand reads none.
    """

    name: str
    title: str
    owner: str
    given: UseCase | None = None
    started: bool = False
    problem: str = ""
    path: Path | None = None
    stamp: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def spec(self) -> UseCase | None:
        if self.given is not None or self.path is None or self.problem:
            return self.given
        return _parsed(self.path, self.stamp)

    @property
    def policy_digest(self) -> str | None:
        """Digest of the file as it is now; None without a readable one."""
        digest: str | None = self.facts.get("digest")
        return digest


def entries(settings: Settings, store: Store, *, keep: bool = False) -> list[Entry]:
    """All use cases, those with state in the store first, then by title. A file that cannot be read is an entry with its problem.

    `keep`: store what was read of the files, for whoever looks next.
    """
    with store.reading() as session:
        known = set(session.scalars(union(select(Candidate.use_case), select(Snapshot.use_case), select(RouteRow.use_case))))
    folder = settings.usecases_dir.resolve()
    paths = {str(folder / path.name): path for path in sorted(settings.usecases_dir.glob("*.toml"))}
    views = _stamp_of_views(settings.usecases_dir)
    stamps = {name: f"{FORMAT}:{_stamp(path)}:{views}" for name, path in paths.items()}
    cards = prepared(store, KIND, stamps, lambda name, _: _facts(paths[name]), keep=keep)
    found: dict[str, Entry] = {}
    for place, facts in cards.items():
        name = facts["name"]
        found[name] = Entry(name, facts["title"], facts["owner"], None, name in known, facts["problem"], paths[place], stamps[place], facts)
    for name in known - set(found):
        found[name] = Entry(name, name, "", None, True, f"there is no file for it in {settings.usecases_dir}")
    return sorted(found.values(), key=lambda entry: (not entry.started, entry.title.casefold()))


def entry(settings: Settings, store: Store, name: str) -> Entry | None:
    """The use case of this name, or None."""
    return next((one for one in entries(settings, store) if one.name == name), None)


def _facts(path: Path) -> dict[str, Any]:
    """What lists show of a use-case file, in values that JSON can hold; `problem` where it cannot be used."""
    from interlock.spec.load import load_use_case, spec_digest

    try:
        case, digest = load_use_case(path), spec_digest(path)
    except InterlockError as error:
        return {"name": path.stem, "title": path.stem, "owner": "", "problem": str(error), "digest": _digest(path)}
    return {"name": case.name, "title": case.title, "owner": case.owner, "problem": "", "digest": digest,
            "budget_usd": case.costs.monthly_budget_usd, "window_hours": case.monitoring.window_hours,
            "watermark_hours": case.monitoring.watermark_hours, "labels": case.labels.source,
            "schedules": {name: cron for name, cron in case.schedules.model_dump().items() if cron}}


def _digest(path: Path) -> str | None:
    """Digest of a file with problems: evidence may still rest on it. None where it cannot be read."""
    from interlock.spec.load import spec_digest

    try:
        return spec_digest(path)
    except InterlockError:
        return None


def _stamp(path: Path) -> str:
    """Tells one version of a file from another without reading it."""
    try:
        stat = path.stat()
    except OSError:
        return "unreadable"
    return f"{stat.st_mtime_ns}:{stat.st_size}:{stat.st_ino}"


def _stamp_of_views(folder: Path) -> str:
    """Feature views lie beside the use cases and count in their checks."""
    stamps = [f"{path.name}:{_stamp(path)}" for path in sorted((folder / "views").glob("*.toml"))]
    return "|".join(stamps)


@lru_cache(maxsize=PARSED_MAX)
def _parsed(path: Path, stamp: str) -> UseCase | None:
    """The file as read for this stamp; None where it has gone wrong between the list and the look."""
    from interlock.spec.load import load_use_case

    try:
        return load_use_case(path)
    except InterlockError:
        return None
