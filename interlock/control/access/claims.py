"""Claims of a signed token as a person: name, roles by the settings' mapping, and until when they count.

The web server checked signature and nonce of the token (OpenID Connect Core 1.0, section 3.1.3.7); issuer, audience and times are
checked here again, because a cookie outlives the moment of signing in.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from interlock.control.access.people import Person, mapped_roles
from interlock.control.access.sign_ins import SignedIn
from interlock.errors import DecisionRefused
from interlock.identity import SignIn
from interlock.rules.approval import NOBODY
from interlock.settings import Settings

TEXT_MAX = 120
CLOCKS_DIFFER = timedelta(minutes=5)  # how far a provider's clock may be ahead of this machine's
GROUPS_MAX = 1_000


def person_from(settings: Settings, claims: Mapping[str, Any], now: datetime) -> Person:
    """The person that these claims tell.

    Raises `DecisionRefused` for another issuer or client, a token without times, a name that is none.
    """
    rules = settings.sign_in
    if rules is None:
        raise DecisionRefused("nobody signs in to this installation", value="a sign-in", next_step="set [sign_in] in interlock.toml")
    issuer, subject = str(claims.get("iss", "")).rstrip("/"), claims.get("sub")
    if issuer != rules.expected_issuer:
        raise DecisionRefused("this sign-in is of another provider", value=issuer or "none", allowed=rules.expected_issuer)
    audience = claims.get("aud")
    if rules.client_id not in (audience if isinstance(audience, list) else [audience]):
        raise DecisionRefused("this sign-in was meant for another application", value=audience, allowed=rules.client_id)
    if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != rules.client_id:
        raise DecisionRefused("this sign-in was asked for by another application", value=claims.get("azp"), allowed=rules.client_id)
    if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isprintable():
        raise DecisionRefused("this sign-in names no subject", value=subject)
    at, until = _times(rules, claims, now)
    groups = tuple(sorted(set(_groups(rules, claims)) & set(rules.roles)))
    return Person(_name(rules, claims, subject), mapped_roles(settings, groups), f"claims of {issuer}, subject {subject}",
                  SignedIn(issuer, subject, at, until, groups))


def _times(rules: SignIn, claims: Mapping[str, Any], now: datetime) -> tuple[datetime, datetime]:
    issued, ends = claims.get("iat"), claims.get("exp")
    if any(isinstance(one, bool) or not isinstance(one, (int, float)) or not 0 < one < 1e11 for one in (issued, ends)):
        raise DecisionRefused("this sign-in does not say when it was made and ends", value=f"iat {issued}, exp {ends}")
    at = datetime.fromtimestamp(float(issued), UTC)  # type: ignore[arg-type]
    if at > now + CLOCKS_DIFFER:
        raise DecisionRefused("this sign-in is of the future: a clock is wrong", value=f"{at:%Y-%m-%d %H:%M:%S} UTC",
                              allowed=f"{now:%Y-%m-%d %H:%M:%S} UTC")
    longest = at + timedelta(hours=rules.session_hours)
    return at, min(longest, datetime.fromtimestamp(float(ends), UTC)) if rules.end_with_token else longest  # type: ignore[arg-type]


def _groups(rules: SignIn, claims: Mapping[str, Any]) -> list[str]:
    """The values of the roles claim: under its whole name, else step by step along its dots; nothing for anything but texts."""
    found: Any = claims.get(rules.roles_claim)
    if found is None and "." in rules.roles_claim:
        found = claims
        for part in rules.roles_claim.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    listed = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    return [one for one in listed[:GROUPS_MAX] if isinstance(one, str)]


def _name(rules: SignIn, claims: Mapping[str, Any], subject: str) -> str:
    """`Ann Lee <ann.lee@x.org>`: a name that a person may choose, beside an address that the provider answers for."""
    own = _text(claims.get(rules.name_claim))
    if own is not None and own.casefold() in NOBODY:
        raise DecisionRefused("this name is kept for the machine", value=own, next_step=f"set another claim than {rules.name_claim}")
    verified = rules.address_claim != "email" or claims.get("email_verified") is not False
    address = _text(claims.get(rules.address_claim)) if verified else None
    address = address or _text(f"{subject}@{urlsplit(rules.expected_issuer).hostname}")
    if address is None or " " in address or address.casefold() in NOBODY:
        raise DecisionRefused("this sign-in has no address that tells people apart", value=rules.address_claim,
                              next_step="set sign_in.address_claim to a claim that it has")
    return f"{own} <{address}>" if own is not None and own != address else address


def _text(value: object) -> str | None:
    """A short text of one line without the signs that part name and address; None for anything else."""
    text = " ".join(value.split()) if isinstance(value, str) else ""
    return text if 0 < len(text) <= TEXT_MAX and text.isprintable() and not set(text) & set("<>\"") else None
