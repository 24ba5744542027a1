"""The model card of the print view: read from the file that was sealed with the evidence, with the seal and today's decisions put in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select

from interlock.control.readmodel.proof import Proof
from interlock.errors import EvidenceError
from interlock.records.store import Store
from interlock.records.tables import Decision
from interlock.rules.canonical import digest_bytes, iso
from interlock.settings import Settings
from interlock.spec.usecase import UseCase
from reports.model_card import Part, completed

STORED = "card-parts.json"  # among the files of the evidence


@dataclass(frozen=True)
class Printed:
    """The sections of a card. `built_now`: no file was sealed with this evidence, so they were made while somebody waited."""

    parts: list[Part]
    built_now: bool = False


def stored_bytes(parts: list[Part]) -> bytes:
    """The sections as the file that is sealed with the evidence."""
    return _sections().dump_json(parts)


def printed(settings: Settings, store: Store, use_case: UseCase | None, found: Proof) -> Printed | None:
    """The card with its seal and the decisions on it; None: neither its file nor the use-case file is there.

    Evidence of before there was such a file, or whose files are gone, is built from the package: slower. Raises `EvidenceError` where
    evidence or file is not what was sealed, `PackageError` where the package is needed and cannot be read.
    """
    if not found.sealed:
        raise EvidenceError("the evidence was changed after it was sealed", value=found.digest, next_step="interlock validate again")
    parts = _stored(settings, found)
    if parts is not None:
        return Printed(completed(parts, found.digest, decisions_on(store, found.digest)))
    if use_case is None:
        return None
    from interlock.control.evidence.model_card import card_parts  # with numpy: only where there is no file

    return Printed(card_parts(settings, store, use_case, found), built_now=True)


def decisions_on(store: Store, evidence_digest: str) -> list[dict[str, str]]:
    """Decisions on this evidence, oldest first, as the card shows them."""
    query = select(Decision).where(Decision.evidence_digest == evidence_digest).order_by(Decision.created_at)
    with store.reading() as session:
        return [{"at": iso(row.created_at), "kind": row.kind, "actor": row.actor, "reason": row.reason}
                for row in session.scalars(query).all()]


def _stored(settings: Settings, found: Proof) -> list[Part] | None:
    expected = found.evidence.attachments.get(STORED)
    path = settings.home.resolve() / "evidence" / found.digest.removeprefix("sha256:") / STORED
    if expected is None or not path.is_file():
        return None
    try:
        data = path.read_bytes()
        if digest_bytes(data) == expected:
            return _sections().validate_json(data)
    except (OSError, ValidationError) as error:
        raise EvidenceError("the card of this evidence cannot be read", value=path, next_step="interlock validate again") from error
    raise EvidenceError("the card of this evidence is not the file that was sealed", value=path, next_step="interlock validate again")


@lru_cache(maxsize=1)
def _sections() -> TypeAdapter[list[Part]]:
    return TypeAdapter(list[Part])
