"""Check a bundle: signature, every file against the signed list, every link of the chain, every seal, every decision's evidence.

Needs no installation: only the archive and, to know who signed, the public key that was given by another way.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from interlock.control.bundle.making import FORMAT, MANIFEST, PUBLIC_KEY, SIGNATURE
from interlock.control.bundle.signing import fingerprint, signed_by
from interlock.errors import DataError
from interlock.rules.canonical import canonical, digest_bytes

FILE_BYTES_MAX = 1_073_741_824  # unpacked; more is no bundle of ours but a bomb
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)  # what text of a stranger may do to who reads it
BODIES = frozenset({"version", "seq", "previous_hash", "kind", "use_case", "at", "body"})


@dataclass
class BundleReport:
    """What was found. `problems`: sentences; none of them means that the bundle holds. `key_known`: checked against a key from outside."""

    fingerprint: str
    key_known: bool
    manifest: dict[str, Any]
    entries: int = 0
    withheld: int = 0
    evidence: int = 0
    decisions: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems


def check_bundle(path: Path, key: bytes | None = None) -> BundleReport:
    """Read and check a bundle. Raises `DataError` where the file is no bundle at all."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if sum(info.file_size for info in archive.infolist()) > FILE_BYTES_MAX:
                raise DataError("the archive unpacks to more than a bundle may", value=path, allowed=f"{FILE_BYTES_MAX:,} bytes")
            files = {name: archive.read(name) for name in names}
        manifest = json.loads(files[MANIFEST])
        signature, inside = files[SIGNATURE], files[PUBLIC_KEY]
        if manifest["format"] != FORMAT:
            raise DataError("this bundle has another format", value=manifest["format"], allowed=str(FORMAT), next_step="update Interlock")
        listed = {str(name): str(said["digest"]) for name, said in manifest["files"].items()}
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, *UNREADABLE) as error:
        raise DataError(f"this is no bundle: {error}", value=path, next_step="interlock bundle") from error
    report = BundleReport(fingerprint(inside), key is not None, manifest)
    if len(names) != len(set(names)):
        report.problems.append("the archive holds two files of one name")
    if key is not None and fingerprint(key) != report.fingerprint:
        report.problems.append(f"signed with another key than the one given: {report.fingerprint} instead of {fingerprint(key)}")
    if not signed_by(key or inside, signature, files[MANIFEST]):
        report.problems.append("the signature is not of this list of files")
    _files(report, files, listed)
    _chain(report, files.get("ledger.jsonl", b""))
    for name, look in (("ledger_check.json", _told), ("decisions.jsonl", _seals)):
        try:
            look(report, files)
        except UNREADABLE as error:
            report.problems.append(f"{name} cannot be read: {error}")
    return report


def _told(report: BundleReport, files: dict[str, bytes]) -> None:
    """What was wrong with the ledger already when the bundle was made."""
    told = json.loads(files.get("ledger_check.json", b"{}")).get("problems", [])
    report.problems += [f"when the bundle was made the ledger did not hold: {problem}" for problem in told]


def _files(report: BundleReport, files: dict[str, bytes], listed: dict[str, str]) -> None:
    for name, digest in listed.items():
        if name not in files:
            report.problems.append(f"{name} is missing")
        elif digest_bytes(files[name]) != digest:
            report.problems.append(f"{name} is not the file that was signed")
    extra = sorted(set(files) - set(listed) - {MANIFEST, SIGNATURE, PUBLIC_KEY})
    report.problems += [f"{name} was added later" for name in extra]


def _chain(report: BundleReport, text: bytes) -> None:
    """Every line builds on the one before; every line that is not withheld has the hash of its content."""
    before: dict[str, Any] | None = None
    for line in text.splitlines():
        try:
            entry = json.loads(line)
            seq, previous, own = entry["seq"], entry["previous_hash"], entry["hash"]
        except UNREADABLE:
            report.problems.append("ledger.jsonl holds a line that is no entry")
            return
        report.entries += 1
        if before is not None and (seq != before["seq"] + 1 or previous != before["hash"]):
            report.problems.append(f"ledger entry {seq} does not build on entry {before['seq']}")
        if "withheld" in entry:
            report.withheld += 1
        elif digest_bytes(canonical({name: entry.get(name) for name in BODIES})) != own:
            report.problems.append(f"ledger entry {seq} is not what was written")
        before = entry


def _seals(report: BundleReport, files: dict[str, bytes]) -> None:
    """The name of each evidence is the SHA-256 of its bytes, and every decision on evidence has it in the bundle."""
    sealed = {name.removeprefix("evidence/").removesuffix(".json"): data for name, data in files.items() if name.startswith("evidence/")}
    report.evidence = len(sealed)
    report.problems += [f"evidence {name[:12]} was changed after it was sealed" for name, data in sorted(sealed.items())
                        if digest_bytes(data) != f"sha256:{name}"]
    for line in files.get("decisions.jsonl", b"").splitlines():
        decision = json.loads(line)
        report.decisions += 1
        wanted = decision.get("evidence_digest")
        if wanted and wanted.removeprefix("sha256:") not in sealed:
            report.problems.append(f"decision {decision.get('id')} rests on evidence that is not in the bundle: {wanted}")
