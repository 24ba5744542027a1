"""`interlock backup`, `restore` and `confirm-restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(backup)
    app.command()(restore)
    app.command(name="confirm-restore")(confirm_restore)


def backup(dest: Annotated[Path | None, typer.Argument(help="Folder to write to; default: setting backup_to.")] = None,
           manifest_only: Annotated[bool, typer.Option(help="Name the lake's files without copying them.")] = False,
           keep: Annotated[int | None, typer.Option(min=1, help="Newest backups to keep; default: setting backup_keep.")] = None) -> None:
    """Copy store, ledger, packages, evidence, captured predictions and the lake, consistently and while everything runs."""
    from interlock.control.access.people import actor_name
    from interlock.control.backups.making import make_backup
    from interlock.control.opening import opened_store
    from interlock.errors import SettingsError

    with opened_store() as (settings, store):
        target = dest or settings.backup_to
        if target is None:
            raise SettingsError("there is no folder to back up to", next_step="interlock backup FOLDER, or set backup_to")
        made = make_backup(settings, store, target, manifest_only=manifest_only, keep=keep or settings.backup_keep,
                           actor=actor_name(settings), progress=typer.echo)
    typer.echo(f"{made.path}: {made.files:,} files, {made.bytes:,} bytes, of which {made.new_bytes:,} are new; "
               f"{made.removed} older backup{'' if made.removed == 1 else 's'} removed")
    typer.echo("not in it: home/keys (secrets) and whatever the settings take from the environment")


def restore(src: Annotated[str, typer.Argument(help="A backup folder (its newest backup counts), or the manifest of one backup; also "
                                                    "s3://bucket/folder.")],
            home: Annotated[Path | None, typer.Option(help="New home; must be empty or not there.")] = None,
            head: Annotated[Path | None, typer.Option(help="A ledger head that was exported elsewhere, to be compared too.")] = None,
            without_lake: Annotated[bool, typer.Option(help="The lake's files are brought by other means.")] = False,
            check: Annotated[bool, typer.Option(help="Only read and verify the backup.")] = False) -> None:
    """Make an installation from a backup and verify it; it works only after `interlock confirm-restore`."""
    from interlock.control.backups.bucket import folder_of
    from interlock.control.backups.restoring import check_backup
    from interlock.control.backups.restoring import restore as run
    from interlock.errors import SettingsError
    from interlock.settings import load_settings

    settings = load_settings()
    if check:
        with folder_of(settings, src) as source:
            check_backup(source, typer.echo)
        return
    if home is None:
        raise SettingsError("a restore needs a new home", next_step="interlock restore SRC --home NEW")
    with folder_of(settings, src) as source:
        done = run(settings, source, home, head=head, without_lake=without_lake, progress=typer.echo)
    for name, version in done.routes.items():
        typer.echo(f"{name}: {version} will answer")
    for note in done.notes:
        typer.echo(f"! {note}")
    typer.echo(f"{done.home} is what {done.backup.name} was at {done.at}. Nothing there works yet: stop the installation it is a copy of, "
               f"then INTERLOCK_HOME={done.home} interlock confirm-restore --reason …")


def confirm_restore(reason: Annotated[str, typer.Option(help="Why; it goes to the ledger.")]) -> None:
    """Let a restored home work: keeper, routes and schedules."""
    from interlock.control.access.people import actor_name
    from interlock.control.backups.confirming import confirm
    from interlock.control.opening import opened_store

    with opened_store() as (settings, store):
        typer.echo(f"confirmed, ledger entry {confirm(settings, store, actor=actor_name(settings), reason=reason)}; now: interlock up")
