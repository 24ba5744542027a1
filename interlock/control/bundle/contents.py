"""The files of a bundle: ledger, decisions, sealed evidence, model cards, use-case files, who had access, and how to check it all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from interlock.control.access.people import local_mode
from interlock.control.bundle.period import Period, Sealed, chain_lines, decisions_in, evidence_for
from interlock.control.evidence.model_card import write_card
from interlock.errors import InterlockError
from interlock.records.ledger import Head, verify
from interlock.records.store import Store, utc_now
from interlock.records.tables import Decision
from interlock.rules.approval import ALLOWED, ROLES
from interlock.rules.canonical import canonical, iso
from interlock.serving.keys import read_keys
from interlock.settings import Settings
from interlock.spec.load import find_use_case
from interlock.spec.usecase import UseCase

HOW_TO_CHECK = """Interlock compliance bundle

With Interlock:     interlock verify-bundle THIS_FILE --key PUBLIC_KEY.pem
Without:
 1. manifest.json lists every file with its SHA-256. `sha256sum` shows whether a file is the one that was signed.
 2. signature.bin is the Ed25519 signature (RFC 8032) over the bytes of manifest.json:
       openssl pkeyutl -verify -pubin -inkey public_key.pem -rawin -in manifest.json -sigfile signature.bin
    Compare public_key.pem with the copy that you were given by another way; its fingerprint stands in the ledger (kind bundle.key).
 3. The name of each file in evidence/ is its own SHA-256: that is the seal which decisions name.
 4. ledger.jsonl: take a line, remove its member "hash", and its SHA-256 is that hash; "previous_hash" is the hash of the line before.
    Lines with "withheld" belong to another use case: only their place in the chain is given.
"""


@dataclass
class Gathering:
    """What is put into a bundle. `missing`: what belongs to the period and could not be added, each with its reason."""

    settings: Settings
    store: Store
    period: Period
    names: list[str]
    missing: list[str] = field(default_factory=list)

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Every file but manifest and signature, as (path in the archive, bytes)."""
        yield "README.txt", HOW_TO_CHECK.encode()
        yield "ledger.jsonl", b"".join(line + b"\n" for line in chain_lines(self.store, self.period))
        yield "ledger_check.json", canonical(_checked(self.store))
        with self.store.reading() as session:
            rows = decisions_in(session, self.period)
            yield "decisions.jsonl", b"".join(canonical(_decision(row)) + b"\n" for row in rows)
        yield "access.json", canonical(self._access())
        cases = {name: case for name in self.names if (case := self._case(name)) is not None}
        for name, (path, _) in cases.items():
            yield f"use_cases/{name}.toml", path.read_bytes()
        versions: dict[tuple[str, int], Sealed] = {}  # one card each, of the newest evidence
        for found in evidence_for(self.store, self.period, self.names):
            yield f"evidence/{found.digest.removeprefix('sha256:')}.json", _sealed_bytes(found)
            versions[found.use_case, found.version] = found
        for found in versions.values():
            if found.use_case in cases:
                yield from self._card(found, cases[found.use_case][1])

    def _case(self, name: str) -> tuple[Path, UseCase] | None:
        """The use-case file as it is now; without it there is no card either."""
        try:
            return find_use_case(self.settings, name)
        except InterlockError as error:
            self.missing.append(f"use_cases/{name}.toml, and the cards of its versions: {error}")
            return None

    def _card(self, found: Sealed, case: UseCase) -> Iterator[tuple[str, bytes]]:
        name = f"model_cards/{found.use_case}-version-{found.version}.html"
        try:
            yield name, write_card(self.settings, self.store, case, version=found.version, form="html").encode()
        except (InterlockError, OSError) as error:
            self.missing.append(f"{name}: {error}")

    def _access(self) -> dict[str, Any]:
        """Who may do what now, and which programs may ask for predictions; what changed in the period stands in the ledger."""
        try:
            keys = [key.model_dump(exclude={"hash"}) | {"state": key.state(utc_now())} for key in read_keys(self.settings.folder("run"))]
        except (ValidationError, OSError) as error:
            keys = []
            self.missing.append(f"API keys: {type(error).__name__}")
        return {"as_of": utc_now(), "people": self.settings.people, "local_mode": local_mode(self.settings),
                "single_person": self.settings.single_person, "roles": list(ROLES),
                "allowed": {action: sorted(roles) for action, roles in sorted(ALLOWED.items())}, "api_keys": keys}


def _decision(row: Decision) -> dict[str, Any]:
    names = ("id", "kind", "use_case", "candidate_id", "evidence_digest", "package_digest", "policy_digest", "expected_generation", "actor",
             "reason", "created_at", "expires_at", "detail")
    return {name: getattr(row, name) for name in names}


def _sealed_bytes(found: Sealed) -> bytes:
    """The very bytes that the seal is the SHA-256 of."""
    return canonical(found.evidence.model_dump(exclude=None if found.evidence.observed_figures else {"observed_figures"}))


def _checked(store: Store) -> dict[str, Any]:
    """The whole chain recomputed at this moment."""
    report = verify(store)
    return {"at": iso(utc_now()), "entries": report.entries, "problems": report.problems, "head": _head(report.head)}


def _head(head: Head) -> dict[str, Any]:
    return {"seq": head.seq, "hash": head.hash, "at": head.at}
