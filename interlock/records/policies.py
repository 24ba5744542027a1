"""Use-case files as they were judged and approved: `policies/<digest>.toml`, named by the digest that evidence and decisions carry.

A release runs to its end under the file that was approved, whatever becomes of the file meanwhile. The digest is the proof: a kept file
that was changed is as good as none.
"""

from __future__ import annotations

import os
import tomllib
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from interlock.errors import Unavailable, UseCaseError
from interlock.records.segments import sync_folder
from interlock.rules.canonical import digest_bytes
from interlock.settings import Settings
from interlock.spec.toml_files import BYTES_MAX, file_bytes
from interlock.spec.usecase import UseCase

PARSED_MAX = 256  # policies kept in memory: one for each release on its way or on probation


def keep(settings: Settings, path: Path) -> str:
    """Keep the use-case file as it is now, durably; the answer is its digest. Keeping the same bytes again changes nothing.

    Raises `UseCaseError` where the file cannot be read, `Unavailable` where it cannot be kept.
    """
    data = file_bytes(path)
    digest = digest_bytes(data)
    kept = _path(settings, digest)
    part = kept.with_name(f".{kept.name}.{os.getpid()}")
    try:
        if not kept.is_file() or kept.read_bytes() != data:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(kept)
            sync_folder(kept.parent)
    except OSError as error:
        raise Unavailable(f"the use-case file cannot be kept: {error.strerror}", value=str(kept), next_step="interlock status") from error
    return digest


def kept(settings: Settings, digest: str | None) -> UseCase:
    """The use case as it was when its file had this digest; `UseCaseError` where it is not on record, was changed, or cannot be understood
    by this version."""
    return _read(_path(settings, digest or "sha256:"), digest or "none")


@lru_cache(maxsize=PARSED_MAX)
def _read(path: Path, digest: str) -> UseCase:
    """Parsed once: the name is the digest of the bytes, so it never means anything else. Errors are not remembered."""
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise UseCaseError("the approved use-case file is not on record", value=digest) from error
    if digest_bytes(data) != digest:
        raise UseCaseError("the approved use-case file was changed on disk", value=digest)
    try:
        return UseCase.model_validate(tomllib.loads(data.decode()))
    except (ValidationError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UseCaseError("the approved use-case file is not understood by this version", value=digest) from error


def _path(settings: Settings, digest: str) -> Path:
    return settings.folder("policies") / f"{digest.removeprefix('sha256:')}.toml"
