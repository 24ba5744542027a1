"""Addresses of the predictions port, and admission: who gets in, and who is asked to come back later."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from interlock.serving import open_inference, plain_records
from interlock.serving.admission import NOTES, Notes, deadline_of
from interlock.serving.documents import Documents
from interlock.serving.keys import ALL
from interlock.serving.wire import Receive, Refusal, Scope, header

if TYPE_CHECKING:
    from interlock.serving.endpoint import Endpoint

DOCUMENTS = Documents()
OTHER_SITES = ("cross-site", "same-site")  # browsers say so; without keys any page could send labels to a loopback port
Reply = tuple[int, Any, dict[str, str]]
REASONS = {400: "malformed", 403: "forbidden", 404: "unknown", 405: "method", 408: "slow", 413: "too_large", 415: "media", 422: "invalid",
           503: "unready"}


async def dispatch(endpoint: Endpoint, scope: Scope, receive: Receive) -> Reply:
    """Status, body and headers for a request. Health and metadata never wait behind predictions."""
    notes = NOTES.get() or Notes()
    token = NOTES.set(notes)
    try:
        return await _answer(endpoint, scope, receive, notes)
    except Refusal as refusal:
        notes.reason = getattr(refusal, "reason", "") or REASONS.get(refusal.status, "other")
        endpoint.admission.count_refusal(notes.use_case, notes.reason)
        raise
    finally:
        NOTES.reset(token)


async def _answer(endpoint: Endpoint, scope: Scope, receive: Receive, notes: Notes) -> Reply:
    match [part for part in scope["path"].split("/") if part]:
        case ["v1", use_case, "predict"]:
            return 200, await _admitted(endpoint, scope, notes, use_case, lambda: plain_records.predict(
                endpoint, use_case, scope, receive)), {}
        case ["v1", use_case, "labels"]:
            return 200, await _admitted(endpoint, scope, notes, use_case, lambda: plain_records.labels(
                endpoint, use_case, scope, receive), paced=False), {}
        case ["v2", "models", name, "infer"]:
            return 200, await _admitted(endpoint, scope, notes, name, lambda: open_inference.infer(
                endpoint, name, None, scope, receive)), {}
        case ["v2", "models", name, "versions", version, "infer"]:
            async def of_version() -> Any:
                async with endpoint.shelf.older.lent(name, version):
                    return await open_inference.infer(endpoint, name, version, scope, receive)
            return 200, await _admitted(endpoint, scope, notes, name, of_version), {}
        case ["openapi.json"]:
            return 200, _document(endpoint, scope, notes, DOCUMENTS.openapi), {}
        case ["docs"]:
            return 200, _document(endpoint, scope, notes, DOCUMENTS.page), {}
        case ["v2", "repository", "index"]:
            return 200, _listed(endpoint, scope, notes), {}
        case ["v2", *rest]:
            return await _read_only(endpoint, scope, notes, rest)
    raise Refusal(404, "there is nothing at this address",
                  allowed="/docs, /openapi.json, /v1/{use_case}/predict, /v1/{use_case}/labels, /v2, /v2/health/live, /v2/health/ready, "
                          "/v2/models/{use_case}[/versions/{version}][/ready|/infer]")


async def _read_only(endpoint: Endpoint, scope: Scope, notes: Notes, rest: list[str]) -> Reply:
    if scope["method"] not in ("GET", "HEAD"):
        raise Refusal(405, "this address is only read", headers={"allow": "GET"}, close=True)
    match rest:
        case []:
            return 200, open_inference.server_metadata(), {}
        case ["health", "live"]:
            return 200, {"live": True}, {}
        case ["health", "ready"]:
            if endpoint.leaving:
                raise Refusal(503, "the server is stopping", ready=False)
            return 200, {"ready": True}, {}
    _known(endpoint, scope, notes, rest[1] if len(rest) > 1 else None)
    match rest:
        case ["models", name]:
            return 200, open_inference.model_metadata(endpoint, name, None), {}
        case ["models", name, "ready"]:
            return 200, open_inference.model_ready(endpoint, name, None), {}
        case ["models", name, "versions", version]:
            async with endpoint.shelf.older.lent(name, version):
                return 200, open_inference.model_metadata(endpoint, name, version), {}
        case ["models", name, "versions", version, "ready"]:
            async with endpoint.shelf.older.lent(name, version):
                return 200, open_inference.model_ready(endpoint, name, version), {}
    raise Refusal(404, "there is nothing at this address", allowed="/v2, /v2/health/live, /v2/health/ready, /v2/models/{use_case}")


def _document(endpoint: Endpoint, scope: Scope, notes: Notes, made: Callable[[Endpoint], Any]) -> Any:
    if scope["method"] not in ("GET", "HEAD"):
        raise Refusal(405, "this address is only read", headers={"allow": "GET"}, close=True)
    _known(endpoint, scope, notes, ALL)
    return made(endpoint)


def _listed(endpoint: Endpoint, scope: Scope, notes: Notes) -> Any:
    if scope["method"] != "POST":
        raise Refusal(405, "this address takes POST", headers={"allow": "POST"}, close=True)
    _known(endpoint, scope, notes, ALL)
    return open_inference.repository_index(endpoint)


def _known(endpoint: Endpoint, scope: Scope, notes: Notes, use_case: str | None) -> None:
    """Who asks, where keys are required; and the use case, where there is one of this name."""
    if endpoint.keys is not None:
        notes.client = endpoint.keys.admit(scope, use_case)
    if use_case in endpoint.shelf.serving:
        notes.use_case = use_case or ""


async def _admitted(endpoint: Endpoint, scope: Scope, notes: Notes, use_case: str, work: Callable[[], Awaitable[Any]], *,
                    paced: bool = True) -> Any:
    """Do the work for those who may ask, unless too much is under way already."""
    if scope["method"] != "POST":
        raise Refusal(405, "this address takes POST", headers={"allow": "POST"}, close=True)
    _known(endpoint, scope, notes, use_case)
    if endpoint.keys is None and header(scope, b"sec-fetch-site") in OTHER_SITES:
        raise Refusal(403, "a web page of another site may not ask here", allowed="programs, and pages of this address")
    serving = endpoint.serving(use_case)
    notes.began = time.perf_counter()
    notes.deadline = deadline_of(scope, endpoint.limits, notes.began)
    endpoint.admission.enter(use_case, serving.route.serving, len(endpoint.shelf.serving), paced=paced)
    try:
        return await work()
    finally:
        endpoint.admission.leave(use_case, notes)
