"""What every flow opens first: the settings, the store and its use case."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from interlock.errors import SettingsError
from interlock.records.store import Store, open_store
from interlock.settings import Settings, load_settings
from interlock.spec.load import find_use_case
from interlock.spec.usecase import UseCase


@dataclass(frozen=True)
class Installation:
    """The settings, the open store and one use case."""

    settings: Settings
    store: Store
    use_case: UseCase


@contextmanager
def opened(use_case: str, *, settings: Settings | None = None) -> Iterator[Installation]:
    """This installation with the named use case; the store is closed at the end."""
    with opened_store(settings) as (found, store):
        yield Installation(found, store, find_use_case(found, use_case)[1])


@contextmanager
def opened_store(settings: Settings | None = None) -> Iterator[tuple[Settings, Store]]:
    """This installation's settings and store, for work that concerns every use case."""
    found = settings or load_settings()
    store = open_store(found)
    try:
        yield found, store
    finally:
        store.close()


def moment(text: str | None) -> datetime | None:
    """A time given as ISO 8601 text (UTC where it names no zone); None stays None."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError("as_of is not a time", value=text, allowed="ISO 8601, for example 2013-04-01T00:00:00Z") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
