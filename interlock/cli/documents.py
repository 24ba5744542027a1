"""Pages that are generated from the code, so that they cannot fall behind: `python -m interlock.cli.documents` (`make docs`)."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click
from typer.main import get_command

from interlock.cli.main import app
from interlock.settings import Settings

DOCS = Path(__file__).resolve().parents[2] / "docs"


def settings_page() -> str:
    """docs/settings.md: every setting with its default and meaning."""
    lines = ["# Settings", "", "A flag wins over the environment (`INTERLOCK_<NAME>`), the environment over `interlock.toml` in the",
             "working folder, that file over the default. All state lives under `home`; Prefect's and MLflow's own state too.", "",
             "| setting | default | meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        rests_on_others = field.default_factory_takes_validated_data  # its description says how
        default = None if rests_on_others else field.get_default(call_default_factory=True)
        shown = "" if default in (None, [], {}) else f"`{str(default).lower() if isinstance(default, bool) else default}`"
        lines.append(f"| `{name}` | {shown} | {field.description} |")
    return "\n".join([*lines, "", "A wrong setting is refused with its name, the value and where to correct it.", ""])


def commands_page() -> str:
    """docs/commands.md: every command with its arguments and options."""
    lines = ["# Commands", "", "`interlock COMMAND --help` says the same.",
             "Exit code 0: done; 1: refused or failed, with the reason; 2: wrong call.", ""]
    group = get_command(app)
    context = click.Context(cast(click.Command, group), info_name="interlock")
    for name, command in sorted(_commands(group)):
        lines += [f"## interlock {name}", "", (command.help or "").strip(), ""]
        lines += [_parameter(parameter, context) for parameter in command.params if parameter.name != "help"]
        lines.append("")
    return "\n".join(lines).replace("\n\n\n", "\n\n").rstrip() + "\n"


def _commands(group: object, before: str = "") -> list[tuple[str, click.Command]]:
    """Every command that can be called, with its full name; groups stand before what they hold."""
    found: list[tuple[str, click.Command]] = []
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        found.append((f"{before}{name}", command))
        if hasattr(command, "commands"):
            found += _commands(command, f"{before}{name} ")
    return found


def _parameter(parameter: click.Parameter, context: click.Context) -> str:
    record = parameter.get_help_record(context)
    if record is not None:
        return f"- `{record[0].strip()}`: {record[1].strip()}" if record[1] else f"- `{record[0].strip()}`"
    meaning = getattr(parameter, "help", None)
    return f"- `{parameter.human_readable_name}`" + (f": {meaning}" if meaning else "")


PAGES = {"settings.md": settings_page, "commands.md": commands_page}


def main() -> None:
    """Write every generated page."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
