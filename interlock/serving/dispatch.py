"""Addresses of the predictions port, and admission: who gets in, and who is asked to come back later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interlock.serving import open_inference, plain_records
from interlock.serving.wire import Receive, Refusal, Scope, busy

if TYPE_CHECKING:
    from interlock.serving.endpoint import Endpoint

Reply = tuple[int, Any, dict[str, str]]


async def dispatch(endpoint: Endpoint, scope: Scope, receive: Receive) -> Reply:
    """Status, body and headers for a request. Health and metadata never wait behind predictions."""
    match [part for part in scope["path"].split("/") if part]:
        case ["v1", use_case, "predict"]:
            return 200, await _admitted(endpoint, scope, plain_records.predict(endpoint, use_case, scope, receive)), {}
        case ["v1", use_case, "labels"]:
            return 200, await _admitted(endpoint, scope, plain_records.labels(endpoint, use_case, scope, receive)), {}
        case ["v2", "models", name, "infer"]:
            return 200, await _admitted(endpoint, scope, open_inference.infer(endpoint, name, None, scope, receive)), {}
        case ["v2", "models", name, "versions", version, "infer"]:
            return 200, await _admitted(endpoint, scope, open_inference.infer(endpoint, name, version, scope, receive)), {}
        case ["v2", *rest]:
            return _read_only(endpoint, scope, rest)
    raise Refusal(404, "there is nothing at this address", allowed="/v1/{use_case}/predict, /v1/{use_case}/labels, /v2, /v2/health/live, "
                  "/v2/health/ready, /v2/models/{use_case}[/versions/{version}][/ready|/infer]")


def _read_only(endpoint: Endpoint, scope: Scope, rest: list[str]) -> Reply:
    if scope["method"] not in ("GET", "HEAD"):
        raise Refusal(405, "this address is only read", headers={"allow": "GET"}, close=True)
    match rest:
        case []:
            return 200, open_inference.server_metadata(), {}
        case ["health", "live"]:
            return 200, {"live": True}, {}
        case ["health", "ready"]:
            return 200, {"ready": True}, {}
        case ["models", name]:
            return 200, open_inference.model_metadata(endpoint, name, None), {}
        case ["models", name, "ready"]:
            return 200, open_inference.model_ready(endpoint, name, None), {}
        case ["models", name, "versions", version]:
            return 200, open_inference.model_metadata(endpoint, name, version), {}
        case ["models", name, "versions", version, "ready"]:
            return 200, open_inference.model_ready(endpoint, name, version), {}
    raise Refusal(404, "there is nothing at this address", allowed="/v2, /v2/health/live, /v2/health/ready, /v2/models/{use_case}")


async def _admitted(endpoint: Endpoint, scope: Scope, work: Any) -> Any:
    """Do the work unless too much is under way already."""
    try:
        if scope["method"] != "POST":
            raise Refusal(405, "this address takes POST", headers={"allow": "POST"}, close=True)
        if endpoint.inflight >= endpoint.limits.inflight_max:
            busy("the server is busy: too many requests at work")
    except Refusal:
        work.close()
        raise
    endpoint.inflight += 1
    try:
        return await work
    finally:
        endpoint.inflight -= 1
