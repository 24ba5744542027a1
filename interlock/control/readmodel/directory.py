"""Which use cases there are: those with a file and those the store remembers."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, union

from interlock.errors import InterlockError
from interlock.records.store import Store
from interlock.records.tables import Candidate, RouteRow, Snapshot
from interlock.settings import Settings
from interlock.spec.usecase import UseCase


@dataclass(frozen=True)
class Entry:
    """One use case. `spec` is None where its file is gone or wrong; then `problem` says so."""

    name: str
    title: str
    owner: str
    spec: UseCase | None = None
    started: bool = False
    problem: str = ""


def entries(settings: Settings, store: Store) -> list[Entry]:
    """All use cases, those with state in the store first, then by title. A file that cannot be read is an entry with its problem."""
    from interlock.spec.load import load_use_case

    with store.reading() as session:
        known = set(session.scalars(union(select(Candidate.use_case), select(Snapshot.use_case), select(RouteRow.use_case))))
    found: dict[str, Entry] = {}
    for path in sorted(settings.usecases_dir.glob("*.toml")):
        try:
            case = load_use_case(path)
            found[case.name] = Entry(case.name, case.title, case.owner, case, case.name in known)
        except InterlockError as error:
            found[path.stem] = Entry(path.stem, path.stem, "", None, path.stem in known, str(error))
    for name in known - set(found):
        found[name] = Entry(name, name, "", None, True, f"there is no file for it in {settings.usecases_dir}")
    return sorted(found.values(), key=lambda entry: (not entry.started, entry.title.casefold()))


def entry(settings: Settings, store: Store, name: str) -> Entry | None:
    """The use case of this name, or None."""
    return next((one for one in entries(settings, store) if one.name == name), None)
