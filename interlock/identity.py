"""The `[sign_in]` table of the settings: which OpenID provider signs people in, and which of its claims give which role.

Secrets have no place in it: docs/sign-in.md says where they come from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Role = Literal["viewer", "analyst", "approver", "operator", "auditor", "admin"]
METADATA = "/.well-known/openid-configuration"
SECRET_WORDS = ("client_secret", "cookie_secret")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class SignIn(BaseModel):
    """One OpenID provider, as this installation uses it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metadata_url: str = Field(description="The provider's metadata: https://…/.well-known/openid-configuration (http only on this machine).")
    client_id: str = Field(min_length=1, max_length=400, description="The control room's id at the provider; tokens for anybody else are refused.")
    issuer: str | None = Field(default=None, description="The provider's issuer; default: the metadata address without its well-known part.")
    roles_claim: str = Field(default="groups", min_length=1, description="Claim with the person's groups or roles; dots lead inside: realm_access.roles.")
    roles: dict[str, Role] = Field(min_length=1, description="Value of that claim → role here. What is not listed gives nothing.")
    name_claim: str = Field(default="name", min_length=1, description="Claim with the person's name, as decisions are signed.")
    address_claim: str = Field(default="email", min_length=1, description="Claim that tells people of one name apart; where it is missing or not verified: the subject.")
    scope: str = Field(default="openid profile email", pattern=r"(^| )openid( |$)", description="Scopes that are asked for.")
    session_hours: float = Field(default=8.0, gt=0, le=24, description="Longest session, counted from the sign-in.")
    end_with_token: bool = Field(default=True, description="Whether a session ends earlier where the provider's token does.")
    address: str | None = Field(default=None, description="Where people open the control room (https://…); default: `host` and `dashboard_port`.")
    client_secret_file: Path | None = Field(default=None, description="File (mode 0600) with the client's secret; else INTERLOCK_SIGN_IN_CLIENT_SECRET.")
    contact: str = Field(default="", max_length=200, description="Whom to ask for a role; shown to people without one.")

    @model_validator(mode="before")
    @classmethod
    def no_secret(cls, given: Any) -> Any:
        """A secret in a file of settings would end up in version control."""
        if isinstance(given, dict) and (found := [word for word in SECRET_WORDS if word in given]):
            raise ValueError(f"{found[0]} has no place here: set client_secret_file, or INTERLOCK_SIGN_IN_{found[0].upper()}")
        return given

    @field_validator("metadata_url", "address")
    @classmethod
    def safe_address(cls, given: str | None) -> str | None:
        """Tokens and cookies travel there: https, except on this machine."""
        if given is None:
            return None
        parts = urlsplit(given)
        if not parts.hostname or parts.scheme not in {"https", "http"} or parts.username or parts.password:
            raise ValueError("this is no address: https://…")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ValueError("http is for this machine alone: use https")
        return given.rstrip("/")

    @property
    def expected_issuer(self) -> str:
        """The `iss` that every token must name."""
        return (self.issuer or self.metadata_url.removesuffix(METADATA)).rstrip("/")

    def redirect_uri(self, own: str) -> str:
        """Where the provider sends people back to; to be registered there. `own` is the control room's own address."""
        return f"{self.address or own}/oauth2callback"
