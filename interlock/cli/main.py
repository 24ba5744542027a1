"""The command line: thin; each command calls one function elsewhere and prints. Heavy imports stay inside commands.

Commands live in the modules beside this one, each adding its own to the app in `register(app)`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec

import typer

from interlock.cli.unexpected import tell
from interlock.errors import InterlockError

MODULES = ("stack", "usecase", "decisions", "standing", "history", "serving", "keys", "work", "card", "explain", "fairness", "backups",
           "scoring", "drill", "labels", "bundle", "sign_ins")
app = typer.Typer(name="interlock", help="The control room for tabular models.", no_args_is_help=True, add_completion=False,
                  pretty_exceptions_enable=False)


@app.command()
def migrate() -> None:
    """Bring the store to the newest schema."""
    from interlock.records.migrate import migrate as run
    from interlock.settings import load_settings

    typer.echo(f"store is at revision {run(load_settings())}")


for _name in MODULES:
    if find_spec(f"interlock.cli.{_name}"):
        import_module(f"interlock.cli.{_name}").register(app)


def main() -> None:
    """Entry point: errors raised on purpose become one clear text and exit code 1; any other one a line, a log and exit code 1."""
    try:
        app()
    except InterlockError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - nothing above this: it is told, and logged whole
        typer.echo(tell(error), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
