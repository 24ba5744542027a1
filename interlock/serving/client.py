"""The prediction server as others see it: bounded calls, its refusals as our errors, `Unavailable` when it cannot be reached."""

from __future__ import annotations

import ssl
from types import TracebackType
from typing import Any, Literal, Self

import httpx

from interlock.errors import DataError, DecisionRefused, InterlockError, PackageError, StaleState, Unavailable
from interlock.rules.routes import Observed, Route
from interlock.serving.keys import keys_required
from interlock.serving.token import NAME
from interlock.settings import Settings

CONNECT_S, READ_S, CONVERGE_S = 1.0, 5.0, 120.0
KINDS: dict[str, type[InterlockError]] = {kind.__name__: kind for kind in (DataError, StaleState, PackageError, Unavailable,
                                                                              DecisionRefused)}


class ServingClient:
    """Calls both ports. Keeps one connection pool: close it, or use it in a `with` block."""

    def __init__(self, settings: Settings, transport: httpx.BaseTransport | None = None) -> None:
        self._settings = settings
        verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody; without TLS it is never asked, and reading all roots takes 20 ms
        if settings.serving_tls_cert is not None:
            verify = ssl.create_default_context(cafile=settings.serving_tls_cert)
        self._http = httpx.Client(timeout=httpx.Timeout(READ_S, connect=CONNECT_S), transport=transport, trust_env=False, verify=verify)

    def converge(self, route: Route) -> Observed:
        """Bring the server to the route. StaleState: older, or an override stands. PackageError: not one byte was served from it."""
        return self._observed("POST", "/converge", route.model_dump(mode="json"), timeout_s=CONVERGE_S)

    def observed(self, use_case: str) -> Observed | None:
        """What the server answers with; None when it has never had a route for the use case."""
        found = self._control("GET", f"/routes/{use_case}", missing=True)
        return None if found is None else Observed.model_validate(found)

    def all_observed(self) -> list[Observed]:
        """What the server answers with, for every use case it knows."""
        return [Observed.model_validate(item) for item in self._control("GET", "/routes")]

    def rollback(self, use_case: str, actor: str, reason: str, override_id: str, *, to: Literal["previous", "champion"] = "previous",
                 expected_generation: int | None = None, to_version: int | None = None) -> Observed:
        """Swap at once. StaleState: another rollback stands, the route changed, or there is nothing to go back to.

        With `to_version`, an older version is verified and loaded first (PackageError: it is not sound any more; nothing is changed).
        """
        body = {"actor": actor, "reason": reason, "override_id": override_id, "to": to, "expected_generation": expected_generation,
                "to_version": to_version}
        return self._observed("POST", f"/rollback/{use_case}", body, timeout_s=READ_S if to_version is None else CONVERGE_S)

    def absorbed(self, use_case: str, override_id: str, route: Route) -> Observed:
        """Tell the server that the store has recorded the override and that this newer route takes over."""
        body = {"override_id": override_id, "route": route.model_dump(mode="json")}
        return self._observed("POST", f"/overrides/{use_case}/absorbed", body, timeout_s=CONVERGE_S)

    def withdraw(self, use_case: str, version: int) -> list[str]:
        """Have a retired version answer nobody who asks for it by number; the older versions that are left. Idempotent."""
        return [str(found) for found in self._control("POST", f"/versions/{use_case}/{version}/withdrawn")["versions"]]

    def what_if(self, use_case: str, record: dict[str, Any], digest: str | None = None) -> dict[str, Any]:
        """An answer with its reasons that is neither captured nor counted (`what_if.looked_at`); `digest`: the package to ask.

        DataError: a value does not fit. PackageError: that model is not loaded. Unavailable: too many questions, or not in time.
        """
        return dict(self._control("POST", f"/what-if/{use_case}", {"record": record, "digest": digest}))

    def health(self) -> dict[str, Any]:
        """Workers and uptime."""
        return dict(self._control("GET", "/health"))

    def stats(self, use_case: str, since_generation: int | None = None) -> dict[str, Any]:
        """Counts per generation and arm (see docs/serving.md)."""
        query = "" if since_generation is None else f"?since_generation={since_generation}"
        return dict(self._control("GET", f"/stats/{use_case}{query}"))

    def metrics(self) -> str:
        """Prometheus text."""
        return self._send("GET", f"{self._settings.control_url}/metrics").text

    def predict(self, use_case: str, records: list[dict[str, Any]]) -> dict[str, Any]:
        """Answers of the predictions port. DataError: a record does not fit. Unavailable: busy, not there, or nothing approved yet."""
        return self._predictions(f"/v1/{use_case}/predict", {"records": records})

    def send_labels(self, use_case: str, labels: list[dict[str, Any]]) -> dict[str, Any]:
        """Deliver outcomes: `[{"id", "label", "label_seen_time"?}]`."""
        return self._predictions(f"/v1/{use_case}/labels", {"labels": labels})

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _observed(self, method: str, path: str, body: Any, timeout_s: float = READ_S) -> Observed:
        return Observed.model_validate(self._control(method, path, body, timeout_s=timeout_s))

    def _control(self, method: str, path: str, body: Any = None, *, timeout_s: float = READ_S, missing: bool = False) -> Any:
        headers = {"authorization": f"Bearer {self._token()}"} if method == "POST" else {}
        reply = self._send(method, f"{self._settings.control_url}{path}", body, headers, timeout_s)
        if missing and reply.status_code == 404:
            return None
        if reply.is_success:
            return reply.json()
        found = _error_body(reply)
        raise KINDS.get(found.get("kind", ""), InterlockError)(
            found.get("error", f"the server refused: {reply.status_code}"), value=found.get("value"), allowed=found.get("allowed") or "",
            next_step=found.get("next_step") or "")

    def _predictions(self, path: str, body: Any) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self._token()}"} if keys_required(self._settings) else None
        reply = self._send("POST", f"{self._settings.predictions_url}{path}", body, headers, timeout_s=30)
        if reply.is_success:
            return dict(reply.json())
        found = _error_body(reply)
        kind = Unavailable if reply.status_code >= 500 else DataError
        raise kind(found.get("error", f"the server refused: {reply.status_code}"), value=found.get("problems", found.get("value")),
                   allowed=str(found.get("allowed", "")))

    def _send(self, method: str, url: str, body: Any = None, headers: dict[str, str] | None = None,
              timeout_s: float = READ_S) -> httpx.Response:
        try:
            return self._http.request(method, url, json=body, headers=headers, timeout=httpx.Timeout(timeout_s, connect=CONNECT_S))
        except httpx.TransportError as error:
            raise Unavailable(f"the prediction server does not answer at {url}", value=str(error) or type(error).__name__,
                              next_step="interlock serve, or make up") from error

    def _token(self) -> str:
        path = self._settings.folder("run") / NAME
        try:
            return path.read_text().strip()
        except FileNotFoundError as error:
            raise Unavailable("the prediction server has never been started here", value=str(path), next_step="interlock serve") from error
        except PermissionError as error:
            raise DecisionRefused("only who can read the control token may do this", value=str(path)) from error


def _error_body(reply: httpx.Response) -> dict[str, Any]:
    try:
        found = reply.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
