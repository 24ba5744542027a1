"""Model cards: the one sealed with the evidence, and the one written later with the decisions on it."""

from __future__ import annotations

from typing import Literal

from interlock.control.readmodel.paper import STORED, decisions_on, stored_bytes
from interlock.control.readmodel.proof import Proof, proof, proof_of_package, proofs
from interlock.errors import EvidenceError
from interlock.modeling.package import Manifest, read_package
from interlock.records.candidates import numbered
from interlock.records.store import Store
from interlock.records.tables import Candidate
from interlock.rules.evidence import Evidence
from interlock.settings import Settings
from interlock.spec.usecase import UseCase
from reports.model_card import About, Part, card
from reports.model_card_pages import card_html, card_markdown

Format = Literal["md", "html"]
HTML, MARKDOWN = "model-card.html", "model-card.md"


def sealed_cards(settings: Settings, evidence: Evidence, use_case: UseCase, candidate: Candidate) -> dict[str, bytes]:
    """The card in both forms and as the print view reads it, to be attached to the evidence.

    Raises `PackageError` where the package cannot be read.
    """
    manifest = read_package(settings.folder("packages"), candidate.package_digest).manifest
    parts = card(evidence, use_case, _about(manifest, candidate.number, candidate.started_by, candidate.author))
    return {HTML: card_html(use_case.title, parts).encode(), MARKDOWN: card_markdown(use_case.title, parts).encode(),
            STORED: stored_bytes(parts)}


def write_card(settings: Settings, store: Store, use_case: UseCase, *, version: int | None = None, form: Format = "md") -> str:
    """The card of a version (None: of the newest evidence) with its seal and the decisions taken on it.

    Raises `EvidenceError` where there is no such version, or none with evidence, or evidence that is not what was sealed.
    """
    parts = card_parts(settings, store, use_case, _proof(store, use_case.name, version))
    return card_html(use_case.title, parts) if form == "html" else card_markdown(use_case.title, parts)


def card_parts(settings: Settings, store: Store, use_case: UseCase, found: Proof) -> list[Part]:
    """The sections of the card with its seal and the decisions on it. Raises `EvidenceError` where the evidence is not what was sealed,
    `PackageError` where the package is not there any more or cannot be read."""
    if not found.sealed:
        raise EvidenceError("the evidence was changed after it was sealed", value=found.digest, next_step="interlock validate again")
    manifest = read_package(settings.folder("packages"), found.package_digest).manifest
    return card(found.evidence, use_case, _about(manifest, found.version, found.started_by, found.author, found.digest,
                                                 decisions_on(store, found.digest)))


def _about(manifest: Manifest, version: int, started_by: str, author: str, seal: str | None = None,
           decisions: list[dict[str, str]] | None = None) -> About:
    return About(manifest=manifest.model_dump(mode="json"), version=version, started_by=started_by, author=author, seal=seal,
                 decisions=decisions or ())


def _proof(store: Store, use_case: str, version: int | None) -> Proof:
    if version is None:
        newest = proofs(store, use_case, limit=1)
        found = proof(store, newest[0][0]) if newest else None
    else:
        with store.reading() as session:
            candidate = numbered(session, use_case, version)
        if candidate is None:
            raise EvidenceError(f"'{use_case}' has no such version", value=version, next_step="interlock history")
        found = proof_of_package(store, use_case, candidate.package_digest)
    if found is None:
        raise EvidenceError("there is no evidence to write a card from", value=use_case if version is None else f"version {version}",
                            next_step=f"interlock validate {use_case}")
    return found
