"""Sign-ins that were seen here, kept beside the locks of the run folder: signing out ends every tab of a person, not only one.

A tab holds its claims for as long as it is open. So each action, and each read of a page, asks this list first. It works while the store
is down; the ledger gets `person.signed_in`, `person.signed_out` and `person.sessions_ended`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.exc import SQLAlchemyError

from interlock.control.access.run_lock import one_change_at_a_time
from interlock.errors import DecisionRefused, InterlockError, StoreError, Unavailable
from interlock.records import ledger
from interlock.records.pointer import write_durably
from interlock.records.store import Store, utc_now
from interlock.settings import Settings

NAME = "sign_ins.json"
KEPT_MAX = 10_000
SESSION_MAX = timedelta(hours=24)  # what `sign_in.session_hours` allows
KEPT_AFTER = timedelta(days=1)  # beyond the end: clocks of two machines differ
KINDS = ("person.signed_in", "person.signed_out", "person.sessions_ended")


@dataclass(frozen=True)
class SignedIn:
    """One sign-in, as the provider's token told it: who, when (the provider's clock), until when it counts here, and mapped groups."""

    issuer: str
    subject: str
    at: datetime
    until: datetime
    groups: tuple[str, ...] = ()


class Seen(BaseModel):
    """One line of the list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str
    subject: str
    name: str
    at: AwareDatetime
    until: AwareDatetime
    ended_at: AwareDatetime | None = None
    ended_by: str = ""  # somebody else; empty: the person signed out

    def is_of(self, one: SignedIn | Seen) -> bool:
        """Whether it is the same person; not: the same sign-in."""
        return (self.issuer, self.subject) == (one.issuer, one.subject)


class _File(BaseModel):
    sign_ins: list[Seen] = Field(default_factory=list, max_length=KEPT_MAX)


def why_ended(settings: Settings, one: SignedIn | Seen, now: datetime) -> str:
    """Why this sign-in counts no longer, as a sentence; empty: it does. A list that cannot be read lets nobody in."""
    if now >= one.until:
        return f"your sign-in ended at {one.until:%Y-%m-%d %H:%M} UTC"
    try:
        known = _known(settings.folder("run") / NAME)
    except (OSError, ValidationError):
        return f"the list of sign-ins cannot be read, so nobody is let in ({settings.folder('run') / NAME})"
    for seen in known:
        if seen.is_of(one) and seen.ended_at is not None and one.at <= seen.at:
            return f"{seen.ended_by} ended your sessions at {seen.ended_at:%Y-%m-%d %H:%M} UTC" if seen.ended_by else "you signed out"
    return ""


def arrive(settings: Settings, store: Store | None, one: SignedIn, name: str, roles: list[str], *,
           clock: Callable[[], datetime] = utc_now) -> str:
    """Write a sign-in down when it is seen for the first time: list and ledger. `store` None: the store cannot be used now.

    The answer is a warning where something could not be written; a person is let in all the same, because a rollback cannot wait.
    """
    try:
        if any(seen.is_of(one) and seen.at == one.at for seen in _read(settings)):
            return ""
        with one_change_at_a_time(settings, "sign_ins") as run:
            known = _read(settings)
            if any(seen.is_of(one) and seen.at == one.at for seen in known):
                return ""
            _write(run, [*known, Seen(issuer=one.issuer, subject=one.subject, name=name, at=one.at, until=one.until)], clock())
    except (InterlockError, OSError) as error:
        return f"your sign-in could not be written down: {error}".partition("\n")[0]
    return _record(store, "person.signed_in", one, name, clock(), f"{name} signed in at {one.issuer} with {', '.join(roles) or 'no role'}",
            roles=roles, groups=list(one.groups), until=one.until)


def sign_out(settings: Settings, store: Store | None, one: SignedIn, name: str, *, clock: Callable[[], datetime] = utc_now) -> str:
    """End this sign-in and every earlier one of the person, in all tabs and browsers. Safe to repeat.

    Raises `Unavailable` where the list cannot be written, `StoreError` where it is damaged; the answer is a warning about the ledger.
    """
    now = clock()
    with one_change_at_a_time(settings, "sign_ins") as run:
        known = _read(settings)
        line = Seen(issuer=one.issuer, subject=one.subject, name=name, at=one.at, until=one.until, ended_at=now)
        already = any(seen.is_of(one) and seen.at == one.at and seen.ended_at is not None for seen in known)
        if not already:
            _write(run, [*(seen for seen in known if not (seen.is_of(one) and seen.at == one.at)), line], now)
    return "" if already else _record(store, "person.signed_out", one, name, now, f"{name} signed out")


def seen_here(settings: Settings) -> list[Seen]:
    """Every sign-in whose end is less than a day ago, or to come. Raises `StoreError` for a damaged list."""
    return _read(settings)


def end_everywhere(settings: Settings, store: Store | None, person: Seen, by: str, now: datetime, sentence: str, **more: object) -> str:
    """End every sign-in of the person of this line, made up to now, in the name of somebody else.

    One line says so: it stands for the newest of them and for one that is on its way, whose tab was not seen yet. Raises as `sign_out`
    does; the answer is a warning about the ledger.
    """
    with one_change_at_a_time(settings, "sign_ins") as run:
        known = _read(settings)
        newest = max(now, *(seen.at for seen in known if seen.is_of(person)))
        line = person.model_copy(update={"at": newest, "until": now + SESSION_MAX, "ended_at": now, "ended_by": by})
        _write(run, [*(seen for seen in known if not (seen.is_of(person) and seen.ended_by)), line], now)
    return _record(store, "person.sessions_ended", line, line.name, now, sentence, **more)


def check(settings: Settings, one: SignedIn, now: datetime) -> None:
    """Raise `DecisionRefused` for a sign-in that counts no longer, or that another provider than the settings' gave."""
    if settings.sign_in is None or one.issuer != settings.sign_in.expected_issuer:
        raise DecisionRefused("this sign-in is not of the provider in the settings", value=one.issuer,
                              allowed=settings.sign_in.expected_issuer if settings.sign_in else "no sign-in at all",
                              next_step="reload the page and sign in again")
    if ended := why_ended(settings, one, now):
        raise DecisionRefused(f"nothing was done: {ended}", next_step="reload the page and sign in again")


def _record(store: Store | None, kind: str, one: SignedIn | Seen, name: str, now: datetime, sentence: str, **more: object) -> str:
    """Append the entry; a warning where the store cannot."""
    if store is None:
        return f"the ledger does not say that {sentence}: the store cannot be used"
    body = {"name": name, "issuer": one.issuer, "subject": one.subject, "signed_in_at": one.at, "sentence": sentence, **more}
    try:
        with store.writing() as session:
            ledger.append(session, kind, body, at=now)
    except (InterlockError, SQLAlchemyError) as error:
        return f"the ledger does not say that {sentence}: {error}".partition("\n")[0]
    return ""


def _read(settings: Settings) -> list[Seen]:
    path = settings.folder("run") / NAME
    try:
        return list(_known(path))
    except (OSError, ValidationError) as error:
        raise StoreError("the list of sign-ins cannot be read: nobody is let in until it can", value=str(path),
                         next_step="remove the file: everybody signed out since then is let in until their session ends") from error


def _known(path: Path) -> tuple[Seen, ...]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return ()
    return _parsed(str(path), found.st_ino, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=4)
def _parsed(path: str, _inode: int, _modified: int, _size: int) -> tuple[Seen, ...]:
    """The list as it stood under this stamp; each writing makes a new file."""
    return tuple(_File.model_validate_json(Path(path).read_bytes()).sign_ins)


def _write(run: Path, seen: list[Seen], now: datetime) -> None:
    kept = [one for one in seen if one.until + KEPT_AFTER > now]
    if len(kept) > KEPT_MAX:
        raise Unavailable(f"more than {KEPT_MAX:,} sign-ins within a day", next_step="set sign_in.session_hours lower")
    try:
        write_durably(run / NAME, _File(sign_ins=kept).model_dump_json().encode(), mode=0o600)
    except OSError as error:
        raise Unavailable("the list of sign-ins cannot be written", value=error.strerror) from error
