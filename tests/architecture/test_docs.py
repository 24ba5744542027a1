"""The docs cover the product: settings, commands, flows, gates, pages; links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from interlock.cli.documents import PAGES
from interlock.cli.main import app
from interlock.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
MARKDOWN = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
DOCS = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in MARKDOWN}
TEXT = "\n".join(DOCS.values())


@pytest.mark.parametrize("page", sorted(PAGES))
def test_generated_pages_are_current(page: str) -> None:
    assert DOCS[f"docs/{page}"] == PAGES[page](), "run `make docs`"


def test_every_setting_and_command_has_a_description() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert [name for name, command in commands.items() if not command.help] == []


def test_every_flow_is_documented() -> None:
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    assert [d["name"] for d in deployments if f"`{d['name']}`" not in DOCS["docs/flows.md"]] == []


def test_every_page_is_documented() -> None:
    pages = [path.stem for path in (ROOT / "dashboard" / "views").glob("*.py") if not path.stem.startswith("_")]
    assert pages
    assert [page for page in pages if page.replace("_", " ").title() not in DOCS["docs/control-room.md"].title()] == []


def test_every_make_target_in_the_docs_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
    assert set(re.findall(r"`make ([a-z-]+)`", TEXT)) - targets == set()


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for path, text in DOCS.items():
        for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", text):
            if not ((ROOT / path).parent / target).exists():
                broken.append(f"{path} → {target}")
    assert broken == []
