"""The predictions port with a certificate: HTTPS for everybody, the control room included; half a certificate is refused."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from interlock.errors import SettingsError
from interlock.serving.limits import Limits
from interlock.serving.options import WorkerOptions
from interlock.settings import Settings


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
               "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


@pytest.fixture
def secure(settings: Settings, packages: tuple[Path, str, str], running: Any, certificate: tuple[Path, Path]) -> Iterator[Any]:
    cert, key = certificate
    server = running(settings.model_copy(update={"serving_tls_cert": cert, "serving_tls_key": key}), Limits())
    server.start(INTERLOCK_SERVING_TLS_CERT=str(cert), INTERLOCK_SERVING_TLS_KEY=str(key))
    server.client.converge(server.route(1, packages[1]))
    yield server
    server.kill()
    server.client.close()


def test_predictions_are_answered_over_tls_only(secure: Any, record: Callable[..., Any], certificate: tuple[Path, Path]) -> None:
    url = f"{secure.settings.predictions_url}/v2/health/ready"
    assert url.startswith("https://")
    assert secure.client.predict("late", [record()])["captured"] is True
    verified = ssl.create_default_context(cafile=certificate[0])
    assert httpx.get(url, verify=verified, trust_env=False).json() == {"ready": True}
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(url, trust_env=False)
    with pytest.raises(httpx.TransportError):
        httpx.get(url.replace("https", "http"), trust_env=False)


def test_half_a_certificate_is_refused(settings: Settings, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    with pytest.raises(SettingsError, match="a certificate and its key"):
        WorkerOptions.from_settings(settings.model_copy(update={"serving_tls_cert": cert}))
    with pytest.raises(SettingsError, match="is not there"):
        WorkerOptions.from_settings(settings.model_copy(update={"serving_tls_cert": cert, "serving_tls_key": key.with_name("no.pem")}))
