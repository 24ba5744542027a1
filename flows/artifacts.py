"""Artifacts that flows publish: a short table in Markdown and links into the control room, MLflow and the prediction server."""

from __future__ import annotations

import re
from collections.abc import Mapping

from prefect.artifacts import create_link_artifact, create_markdown_artifact

from interlock.settings import Settings

CELL_CHARACTERS_MAX = 500


def artifact_key(*parts: str) -> str:
    """A key that Prefect accepts (`[a-z0-9-]` only): `artifact_key("ingest", "flight_delays")` is `ingest-flight-delays`."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


def publish(flow: str, use_case: str, title: str, facts: Mapping[str, object], links: Mapping[str, str]) -> None:
    """Publish one Markdown artifact with the facts as a table and the links below it, and the first link on its own."""
    key = artifact_key(flow, use_case)
    create_markdown_artifact(key=key, markdown=markdown(title, facts, links), description=title)
    for text, address in list(links.items())[:1]:
        create_link_artifact(key=f"{key}-link", link=address, link_text=text, description=title)


def publish_links(flow: str, use_case: str, links: Mapping[str, str]) -> None:
    """One link artifact each, for example the evidence page and its JSON."""
    for text, address in links.items():
        create_link_artifact(key=artifact_key(flow, use_case, text), link=address, link_text=text)


def markdown(title: str, facts: Mapping[str, object], links: Mapping[str, str]) -> str:
    """The artifact's text; values are escaped, so that data cannot draw tables, links or HTML of its own."""
    rows = [f"| {_cell(name)} | {_cell(value)} |" for name, value in facts.items()]
    lines = [f"# {_cell(title)}", "", "| what | value |", "| --- | --- |", *rows, ""]
    lines += [f"- [{_cell(text)}]({address})" for text, address in links.items()]
    return "\n".join(lines) + "\n"


def links_of(settings: Settings, page: str) -> dict[str, str]:
    """Where a person looks next: one page of the control room, MLflow, the endpoint's route."""
    return {
        f"Control room: {page}": f"{settings.dashboard_url}/{artifact_key(page)}",
        "MLflow": settings.mlflow_url,
        "Prediction server": f"{settings.control_url}/routes",
    }


def _cell(value: object) -> str:
    text = str(value)[:CELL_CHARACTERS_MAX]
    for character in "\\`*_[]<>|":
        text = text.replace(character, f"\\{character}" if character not in "<>" else {"<": "&lt;", ">": "&gt;"}[character])
    return " ".join(text.split())
