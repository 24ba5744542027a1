"""`/openapi.json` and `/docs`: the OpenAPI document of what is served now, and a page of it for people. Made again when a route changed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

from interlock.serving.openapi import document
from interlock.serving.wire import Content, encode_json

if TYPE_CHECKING:
    from interlock.serving.endpoint import Endpoint

HTML = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'", "x-content-type-options": "nosniff"}
STYLE = ("body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1c2733;background:#fff}"
         "h1,h2,h3{line-height:1.2}h2{margin-top:2.5rem;border-top:1px solid #d5dce3;padding-top:1.5rem}"
         "table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;"
         "border-bottom:1px solid #e6eaee}pre{background:#f4f6f8;padding:.8rem;overflow-x:auto}code{font-size:.92em}")
VALUES_SHOWN = 20


class Documents:
    """Both documents of one process, kept until a route or key setting changes."""

    def __init__(self) -> None:
        self._made_for: Any = None
        self._json = self._html = b""

    def openapi(self, endpoint: Endpoint) -> Content:
        self._refresh(endpoint)
        return Content(self._json, "application/json")

    def page(self, endpoint: Endpoint) -> Content:
        self._refresh(endpoint)
        return Content(self._html, "text/html; charset=utf-8", HTML)

    def _refresh(self, endpoint: Endpoint) -> None:
        routes = [(name, one.route.generation, one.override_id) for name, one in endpoint.shelf.serving.items()]
        now = (id(endpoint), endpoint.keys is None, datetime.now(UTC).year, routes)
        if now != self._made_for:
            found = document(endpoint)
            self._json, self._html, self._made_for = encode_json(found), page_of(found).encode(), now


def page_of(found: dict[str, Any]) -> str:
    """The OpenAPI document as one HTML page without scripts; every text is escaped."""
    schemas = found["components"]["schemas"]
    names = sorted(name.removesuffix(".Predict") for name in schemas if name.endswith(".Predict"))
    parts = [f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'><title>Prediction server"
             f"</title><style>{STYLE}</style><h1>Prediction server</h1><p>{escape(found['info']['description'])} "
             "Machine-readable: <a href=/openapi.json>openapi.json</a>.</p>"]
    parts += ["<p>Nothing is served yet.</p>"] if not names else [_use_case(name, found) for name in names]
    parts.append(f"<h2>Refusals</h2>{_refusals(found)}</html>")
    return "".join(parts)


def _use_case(name: str, found: dict[str, Any]) -> str:
    schemas, path = found["components"]["schemas"], f"/v1/{name}/predict"
    record, answer = schemas[f"{name}.Record"], schemas[f"{name}.Answer"]
    title = found["paths"][path]["post"]["summary"].removesuffix(": predict")
    body = json.dumps(schemas[f"{name}.Predict"]["examples"][0], ensure_ascii=False)
    needed = set(record["required"])
    rows = "".join(f"<tr><td><code>{escape(field)}</code><td>{escape(_kind(one))}<td>{'yes' if field in needed else ''}"
                   f"<td>{escape(one.get('title', ''))} {escape(one.get('description', ''))}"
                   for field, one in record["properties"].items())
    outputs = "".join(f"<tr><td><code>{escape(field)}</code><td>{escape(_kind(one))}<td>{escape(one.get('description', ''))}"
                      for field, one in answer["properties"].items())
    others = [one for one in found["paths"] if f"/{name}/" in f"{one}/" and one != path]
    return (f"<h2>{escape(title)}</h2><p><code>POST {escape(path)}</code></p><pre>curl -s SERVER{escape(path)} -d "
            f"'{escape(body)}'</pre><h3>A record</h3><table><tr><th>field<th>value<th>needed<th>meaning</tr>{rows}</table>"
            f"<h3>An answer</h3><table><tr><th>member<th>value<th>meaning</tr>{outputs}</table>"
            f"<p>Also: {', '.join(f'<code>{escape(one)}</code>' for one in others)}</p>")


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        shown = [json.dumps(value, ensure_ascii=False) for value in schema["enum"][:VALUES_SHOWN]]
        return ", ".join(shown) + (", …" if len(schema["enum"]) > VALUES_SHOWN else "")
    kinds = schema.get("type", "anything")
    bounds = [f"{word} {schema[key]:g}" for key, word in (("minimum", "at least"), ("maximum", "at most")) if key in schema]
    return ", ".join([" or ".join(kinds) if isinstance(kinds, list) else str(kinds), *bounds])


def _refusals(found: dict[str, Any]) -> str:
    told = {status: one["description"] for path in found["paths"].values() for call in path.values()
            for status, one in call["responses"].items() if status != "200"}
    return "<table>" + "".join(f"<tr><td>{escape(status)}<td>{escape(text)}" for status, text in sorted(told.items())) + "</table>"
