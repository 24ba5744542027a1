"""Where Interlock keeps its state and finds its parts: flag > INTERLOCK_* > interlock.toml > default.

All state lives under `home` (default `var/`); Prefect's and MLflow's own state too, so that nobody's profile is touched.
"""

from __future__ import annotations

import json
import os
from ipaddress import ip_address
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import SettingsError as UnreadableSettings

from interlock.errors import SettingsError
from interlock.identity import SignIn

QUIET = {
    "DO_NOT_TRACK": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    "OMP_WAIT_POLICY": "PASSIVE",  # threads of XGBoost sleep, not spin, while they wait: interlock/modeling/boosting.py
}
SECRETS = frozenset({"store_url", "alert_urls", "sign_in"})  # settings whose values are never shown


def _usecases_of(home: Path) -> Path:
    own = home / "usecases"
    return own if own.is_dir() else Path("usecases")


class Settings(BaseSettings):
    """One installation's settings. Every field can be set as `INTERLOCK_<NAME>` or in `interlock.toml`."""

    model_config = SettingsConfigDict(env_prefix="INTERLOCK_", toml_file="interlock.toml", extra="forbid", frozen=True)

    home: Path = Field(default=Path("var"), description="Folder that holds all state.")
    environment: str = Field(default="local", pattern=r"^[a-z0-9-]+$", description="First part of every key.")
    team: str = Field(default="default", pattern=r"^[a-z0-9-]+$", description="Second part of every key.")
    usecases_dir: Path = Field(default_factory=lambda known: _usecases_of(known["home"]), description="Folder with the use-case files; default: `usecases` under `home` where it is there (the demo's copies), else `usecases`.")
    data_dir: Path = Field(default=Path("../shared/data"), description="Folder that relative source paths start from.")
    host: str = Field(default="127.0.0.1", description="Address every server binds to; loopback by default.")
    allow_remote: bool = Field(default=False, description="Let `host` be another address than this machine's own. Predictions then need API keys (`interlock keys`); nothing else here asks who calls: put a proxy that signs people in before the other ports, and let nobody around it.")
    dashboard_port: int = Field(default=8501, ge=0, le=65535, description="Control room.")
    dashboard_log: Literal["slow", "every"] = Field(default="slow", description="Which page runs of the control room get a line of JSON in its log, with the server's own time: those over 300 ms, or every one.")
    prefect_port: int = Field(default=4200, ge=0, le=65535, description="Prefect's server.")
    mlflow_port: int = Field(default=5000, ge=0, le=65535, description="MLflow's server.")
    predictions_port: int = Field(default=7070, ge=0, le=65535, description="Prediction server.")
    control_port: int = Field(default=7071, ge=0, le=65535, description="Health, metrics and swaps of the prediction server.")
    serving_workers: int = Field(default=1, ge=1, le=64, description="Prediction worker processes.")
    serving_body_bytes_max: int = Field(default=4_194_304, ge=1_024, le=1_073_741_824, description="Largest request body of the prediction server, in bytes; larger: 413.")
    serving_rows_max: int = Field(default=10_000, ge=1, le=1_000_000, description="Most records in one prediction request; more: 413.")
    serving_inflight_max: int = Field(default=128, ge=1, le=65_536, description="Requests at work in one prediction worker; more: 503 with Retry-After.")
    serving_models_bytes_max: int = Field(default=2_147_483_648, ge=1_048_576, le=1_099_511_627_776, description="Memory that the models of one prediction worker may take, in bytes, as estimated from their packages: champions, previous ones and candidates always; older versions that are asked for while there is room.")
    serving_keys: Literal["off", "required"] = Field(default="off", description="Whether callers of the predictions port must show an API key (`interlock keys add`); always required where `host` is not loopback.")
    serving_hosts: list[str] = Field(default_factory=list, description="Further host names under which the predictions port may be asked while it listens on loopback without keys, like the name that a proxy on this machine passes on; others are refused (421).")
    serving_tls_cert: Path | None = Field(default=None, description="Certificate chain (PEM) of the predictions port; with `serving_tls_key` it speaks HTTPS only.")
    serving_tls_key: Path | None = Field(default=None, description="Private key (PEM) of that certificate.")
    serving_log: Literal["json", "text"] = Field(default="json", description="Form of the prediction server's log: one JSON object per line, or plain lines.")
    serving_access_log_share: float = Field(default=0.0, ge=0, le=1, description="Share of answered prediction requests that get a line in the log; refused and failed ones always do.")
    serving_trace_url: str | None = Field(default=None, pattern=r"^https?://[^\s]+$", description="OTLP/HTTP collector that gets the prediction server's traces, like http://127.0.0.1:4318; default: OTEL_EXPORTER_OTLP_ENDPOINT; neither: no traces.")
    serving_trace_share: float = Field(default=0.01, ge=0, le=1, description="Share of requests that are traced where the caller's traceparent does not decide it.")
    store_url: SecretStr | None = Field(default=None, description="SQLAlchemy URL; default: SQLite under `home`.")
    prefect_api_url: str | None = Field(default=None, description="Prefect API; default: the local server's.")
    mlflow_tracking_uri: str | None = Field(default=None, description="MLflow tracking; default: the local server's.")
    lake: Literal["local", "s3"] = Field(default="local", description="Which lake adapter is used.")
    lake_s3_bucket: str | None = Field(default=None, description="Bucket of the S3 lake.")
    s3_endpoint_url: str | None = Field(default=None, description="S3 endpoint, when it is not AWS's own.")
    alert_urls: list[SecretStr] = Field(default_factory=list, description="Apprise URLs that get every alert.")
    single_person: bool = Field(default=False, description="One person may approve their own work; the ledger says so.")
    actor: str | None = Field(default=None, description="Name of the person at the keyboard; default: the login name.")
    people: dict[str, list[str]] = Field(default_factory=dict, description="Name → roles (viewer, analyst, approver, operator, auditor, admin); empty and no `sign_in`: local mode, everybody has every role.")
    sign_in: SignIn | None = Field(default=None, description="Sign-in by OpenID Connect: a table, see docs/sign-in.md; none: the control room answers this machine alone.")
    window_rows_max: int = Field(default=2_000_000, ge=1, description="Rows read at most for one monitored window.")
    backup_to: Path | None = Field(default=None, description="Folder that backups are written to, outside `home` and better on another disk.")
    backup_s3: str | None = Field(default=None, pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?$", description="Bucket, like s3://bucket/folder, that every backup is copied to once it is made (extra `aws`).")
    backup_schedule: str | None = Field(default=None, description="When `tick` starts a backup (cron, UTC); default: by hand only.")
    backup_keep: int = Field(default=7, ge=1, description="Newest backups that are kept.")
    seed: int = Field(default=2013, ge=0, description="Root of every random seed.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def store_address(self) -> str:
        """SQLAlchemy URL of the store (may carry a password: never log it)."""
        if self.store_url is not None:
            return self.store_url.get_secret_value()
        return f"sqlite:///{self.home.resolve() / 'store.db'}"

    @property
    def prefect_url(self) -> str:
        return self.prefect_api_url or f"http://{self.host}:{self.prefect_port}/api"

    @property
    def mlflow_url(self) -> str:
        return self.mlflow_tracking_uri or f"http://{self.host}:{self.mlflow_port}"

    @property
    def predictions_url(self) -> str:
        return f"{'http' if self.serving_tls_cert is None else 'https'}://{self.host}:{self.predictions_port}"

    @property
    def control_url(self) -> str:
        return f"http://{self.host}:{self.control_port}"

    @property
    def dashboard_url(self) -> str:
        return f"http://{self.host}:{self.dashboard_port}"

    def folder(self, name: Literal["lake", "capture", "packages", "policies", "prefect", "mlflow", "run", "log", "studies"]) -> Path:
        """A folder of the state, made when it is not there yet."""
        path = self.home.resolve() / name
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"a folder of the state cannot be made: {error.strerror}", value=path,
                                next_step="set INTERLOCK_HOME to a folder that may be written") from error
        return path


def load_settings(**flags: Any) -> Settings:
    """Settings from flags (those not None), the environment and `interlock.toml`, or a `SettingsError`."""
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except UnreadableSettings as error:  # it names setting and source; its cause may hold a secret
        raise SettingsError(f"the settings cannot be read: {error}", allowed="JSON for lists and tables: [\"…\"], {\"name\": [\"role\"]}",
                            next_step="correct the variable INTERLOCK_<NAME>") from None
    except (TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"interlock.toml cannot be read: {error}", allowed="https://toml.io", next_step="correct interlock.toml") from None
    except ValidationError as error:
        first = error.errors()[0]
        name, *inside = [str(part) for part in first["loc"]] or ["settings"]
        hidden = any(not wrong["loc"] or wrong["loc"][0] in SECRETS or wrong["loc"][0] not in Settings.model_fields for wrong in error.errors())
        raise SettingsError(
            f"setting '{'.'.join([name, *inside])}' is wrong: {first['msg']}",
            value=None if hidden else first.get("input"),
            next_step=f"correct INTERLOCK_{name.upper()} or '{name}' in interlock.toml",
        ) from (None if hidden else error)  # the cause holds every text that was given


def require_local(settings: Settings) -> None:
    """Raise `SettingsError` where servers would listen to other machines and `allow_remote` does not say that this is meant."""
    if settings.allow_remote or is_loopback(settings.host):
        return
    raise SettingsError("this host would open approval, rollback and predictions to the network, and nothing there asks who calls",
                        value=settings.host or "every address", allowed="127.0.0.1, ::1, localhost",
                        next_step="put a proxy that signs people in before it, then set allow_remote = true (INTERLOCK_ALLOW_REMOTE=true)")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens there."""
    if host.casefold() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:  # a name: nobody knows here where it leads
        return False


def settings_environment(settings: Settings) -> dict[str, str]:
    """Environment variables that give a child process exactly these settings, with Prefect and MLflow pointed here, quiet."""
    own: dict[str, str] = {}
    for name, value in settings:
        if value is None:
            continue
        if isinstance(value, Path):
            own[f"INTERLOCK_{name.upper()}"] = str(value.resolve())
        elif isinstance(value, SecretStr):
            own[f"INTERLOCK_{name.upper()}"] = value.get_secret_value()
        elif isinstance(value, SignIn):
            own[f"INTERLOCK_{name.upper()}"] = value.model_dump_json()
        elif isinstance(value, (list, dict)):
            own[f"INTERLOCK_{name.upper()}"] = json.dumps(value, default=lambda secret: secret.get_secret_value())
        else:
            own[f"INTERLOCK_{name.upper()}"] = str(value)
    prefect = {"PREFECT_HOME": str(settings.folder("prefect")), "PREFECT_API_URL": settings.prefect_url}
    return {**QUIET, **own, **prefect, "MLFLOW_TRACKING_URI": settings.mlflow_url}


def apply_environment(settings: Settings) -> None:
    """Point this process and its children at this installation, offline and quiet."""
    os.environ.update(settings_environment(settings))
