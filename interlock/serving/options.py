"""What an installation chose for its prediction workers beside the limits; travels as JSON on a worker's command line."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field

from interlock.errors import SettingsError
from interlock.serving.host_names import LOOPBACK, guarded
from interlock.serving.keys import keys_required
from interlock.settings import Settings

COLLECTOR = "OTEL_EXPORTER_OTLP_ENDPOINT"
PATH = "/v1/traces"


@dataclass(frozen=True)
class WorkerOptions:
    """Keys, log, traces and TLS of the workers."""

    run: str = ""
    keys: bool = False
    log: str = "text"
    access_log_share: float = 0.0
    trace_url: str = ""
    trace_share: float = 0.0
    tls_cert: str = ""
    tls_key: str = ""
    hosts: list[str] = field(default_factory=list)  # names that are served; empty: any

    def to_json(self) -> str:
        """For a worker's command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> WorkerOptions:
        return cls(**json.loads(text))

    @classmethod
    def from_settings(cls, settings: Settings) -> WorkerOptions:
        """Raises `SettingsError` for half a certificate, or one that is not there."""
        cert, key = settings.serving_tls_cert, settings.serving_tls_key
        if (cert is None) != (key is None):
            raise SettingsError("TLS needs a certificate and its key", value=str(cert or key),
                                next_step="set INTERLOCK_SERVING_TLS_CERT and INTERLOCK_SERVING_TLS_KEY, or neither")
        for path in (cert, key):
            if path is not None and not path.is_file():
                raise SettingsError("a TLS file is not there", value=str(path), next_step="correct INTERLOCK_SERVING_TLS_CERT / _KEY")
        return cls(run=str(settings.folder("run")), keys=keys_required(settings), log=settings.serving_log,
                   access_log_share=settings.serving_access_log_share, trace_url=_collector(settings),
                   trace_share=settings.serving_trace_share, tls_cert=str(cert.resolve()) if cert else "",
                   tls_key=str(key.resolve()) if key else "", hosts=_hosts(settings))


def _hosts(settings: Settings) -> list[str]:
    """Without keys, whoever can make a browser of this machine ask the loopback port could read its answers."""
    if not guarded(settings.host) or keys_required(settings):
        return []
    return sorted({*LOOPBACK, settings.host, *settings.serving_hosts})


def _collector(settings: Settings) -> str:
    """Address that traces are posted to; empty: none. The environment variable is OpenTelemetry's own."""
    base = settings.serving_trace_url or os.environ.get(COLLECTOR, "")
    return f"{base.rstrip('/')}{'' if base.endswith(PATH) else PATH}" if base else ""
