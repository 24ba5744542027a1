"""`backup`: copy the installation while it runs.

Reads store, ledger, packages, evidence, what was captured, and the lake. Computes digests. Judges the ledger's chain and every lake
file; a damaged one makes no backup. Records a manifest in the backup folder, one ledger entry, and removes backups beyond the number kept.
"""

from __future__ import annotations

from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.artifacts import links_of, publish
from interlock.control.backups.making import Made
from interlock.control.opening import opened_store
from interlock.errors import SettingsError


@flow(name="backup", log_prints=True)
def backup(destination: str | None = None, manifest_only: bool = False) -> str:
    """Back up to a folder (the setting `backup_to` where none is given); the answer is the manifest's path."""
    return copy(destination, manifest_only)


@task(cache_policy=NO_CACHE)
def copy(destination: str | None, manifest_only: bool) -> str:
    """Write one backup and publish what it holds."""
    from interlock.control.backups.making import make_backup

    with opened_store() as (settings, store):
        target = Path(destination) if destination else settings.backup_to
        if target is None:
            raise SettingsError("there is no folder to back up to", next_step="set backup_to (INTERLOCK_BACKUP_TO)")
        made = make_backup(settings, store, target, manifest_only=manifest_only, keep=settings.backup_keep, progress=print)
        publish("backup", "all", "Backup", facts(made), links_of(settings, "overview"))
    return str(made.path)


def facts(made: Made) -> dict[str, object]:
    """The figures of a backup."""
    return {"backup": made.path, "files": f"{made.files:,}", "bytes": f"{made.bytes:,}", "new bytes": f"{made.new_bytes:,}",
            "ledger head": f"entry {made.head.seq}, {made.head.hash[:19]}…", "older backups removed": made.removed}
