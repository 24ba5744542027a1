"""The installation's signing key (Ed25519, RFC 8032): made on first use, kept in `<home>/keys`, readable by its owner only.

The public half stands in the ledger (`bundle.key`) from its first use on, so a signature leads back to this installation's chain.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from interlock.errors import DataError, SettingsError
from interlock.records.segments import sync_folder
from interlock.rules.canonical import digest_bytes
from interlock.settings import Settings

NAME = "bundle-ed25519.pem"


def signing_key(settings: Settings) -> Ed25519PrivateKey:
    """The key, made where there is none yet. Raises `SettingsError` where others may read it, or it is no Ed25519 key."""
    path = settings.home.resolve() / "keys" / NAME
    if not path.exists():
        _make(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise SettingsError("other users of this machine may read the signing key", value=path, allowed="mode 0600",
                            next_step=f"chmod 600 {path}")
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except ValueError as error:
        raise SettingsError(f"the signing key cannot be read: {error}", value=path,
                            next_step="put your own copy back, or remove the file: the next bundle makes a new key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError("the signing key is of another kind", value=type(key).__name__, allowed="Ed25519")
    return key


def public_pem(key: Ed25519PrivateKey) -> bytes:
    """The public half, as PEM."""
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def fingerprint(pem: bytes) -> str:
    """`sha256:` of the raw 32 bytes of a public key. Raises `DataError` where it is none."""
    return digest_bytes(_public(pem).public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw))


def signed_by(pem: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the holder of the key signed exactly this message."""
    try:
        _public(pem).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _public(pem: bytes) -> Ed25519PublicKey:
    try:
        key = serialization.load_pem_public_key(pem)
    except ValueError as error:
        raise DataError(f"this is no public key: {error}", allowed="an Ed25519 public key as PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise DataError("this public key is of another kind", value=type(key).__name__, allowed="Ed25519")
    return key


def _make(path: Path) -> None:
    """Written whole beside its place, then linked there: two at once agree on whichever came first."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    part = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(handle)
        try:
            path.hardlink_to(part)
        except FileExistsError:
            return
        sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)
