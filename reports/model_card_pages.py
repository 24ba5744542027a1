"""The model card as HTML, fit for the browser's print view, and as Markdown. Every text is escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from reports.model_card import Part, Table

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5a6675;--line:#d5dbe3;--back:#fff}
@media (prefers-color-scheme:dark){:root{--ink:#e7ecf3;--soft:#a3afbf;--line:#39434f;--back:#12171e}}
*{box-sizing:border-box}body{margin:0 auto;max-width:60rem;padding:1.5rem;background:var(--back);color:var(--ink);
font:15px/1.5 system-ui,sans-serif}h1{font-size:1.5rem;margin:.2rem 0}h2{font-size:1.15rem;margin:1.6rem 0 .4rem}p,ul{margin:.4rem 0}
.soft{color:var(--soft)}table{border-collapse:collapse;width:100%;font-size:.85rem;margin:.5rem 0}
th,td{text-align:left;vertical-align:top;padding:.3rem .5rem;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
@page{size:A4;margin:16mm 14mm}
@media print{:root{--ink:#000;--soft:#444;--line:#bbb;--back:#fff}body{max-width:none;padding:0;font-size:10pt}
h2{break-after:avoid}tr,li{break-inside:avoid}thead{display:table-header-group}}
"""
SOURCE = "Sections after Mitchell et al. 2019, Model cards for model reporting. Written from sealed evidence; print it from the browser."
SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~#])")


def card_html(title: str, parts: Sequence[Part]) -> str:
    """A complete HTML document without script or outside resource; pages break between rows, not inside them."""
    body = "".join(_section(part) for part in parts)
    name = escape(f"Model card: {title}")
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{name}</title><style>{STYLE}</style></head>'
            f'<body><header><p class="soft">Model card</p><h1>{escape(title)}</h1></header>{body}'
            f'<footer><p class="soft">{escape(SOURCE)}</p></footer></body></html>\n')


def card_markdown(title: str, parts: Sequence[Part]) -> str:
    """The same as Markdown (tables as in GitHub's dialect), one blank line between blocks."""
    lines = [f"# Model card: {_plain(title)}", ""]
    for part in parts:
        lines += [f"## {_plain(part.title)}", ""]
        for text in filter(None, part.paragraphs):
            lines += [_plain(text), ""]
        if part.bullets:
            lines += [*(f"- {_plain(text)}" for text in part.bullets), ""]
        for table in part.tables:
            lines += [*_markdown_table(table), ""]
    return "\n".join([*lines, f"*{_plain(SOURCE)}*", ""])


def _section(part: Part) -> str:
    texts = "".join(f"<p>{escape(text)}</p>" for text in part.paragraphs if text)
    bullets = "".join(f"<li>{escape(text)}</li>" for text in part.bullets)
    tables = "".join(_table(table) for table in part.tables)
    return f"<section><h2>{escape(part.title)}</h2>{texts}{f'<ul>{bullets}</ul>' if bullets else ''}{tables}</section>"


def _table(table: Table) -> str:
    if not table.rows:
        return '<p class="soft">Nothing was measured.</p>'
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in table.titles)
    head = f"<thead><tr>{head}</tr></thead>" if any(table.titles) else ""
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    return f"<table>{head}<tbody>{rows}</tbody></table>"


def _markdown_table(table: Table) -> list[str]:
    if not table.rows:
        return ["Nothing was measured."]
    titles = [_plain(title) or " " for title in table.titles]
    rows = [f"| {' | '.join(_plain(cell) or ' ' for cell in row)} |" for row in table.rows]
    return [f"| {' | '.join(titles)} |", f"|{'|'.join(' --- ' for _ in titles)}|", *rows]


def _plain(text: str) -> str:
    """One line of text without any meaning to Markdown or HTML."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split())).replace("\\<", "&lt;").replace("\\>", "&gt;")
