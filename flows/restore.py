"""`restore`: rehearse a restore, or make one.

Reads a backup. Computes the digest of every object before and of every file after. Judges ledger, routes and lake against the
manifest; anything wrong makes no home. Records a new home that works only after a person confirmed it.
"""

from __future__ import annotations

from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.artifacts import links_of, publish


@flow(name="restore", log_prints=True)
def restore(source: str, home: str) -> str:
    """Restore the newest backup of the folder (or s3://bucket/folder) SOURCE into the new folder HOME; the answer is the home."""
    return rebuild(source, home)


@task(cache_policy=NO_CACHE)
def rebuild(source: str, home: str) -> str:
    """Verify, write, verify again, and publish what will answer."""
    from interlock.control.backups.bucket import folder_of
    from interlock.control.backups.restoring import restore as run
    from interlock.settings import load_settings

    settings = load_settings()
    with folder_of(settings, source) as folder:
        done = run(settings, folder, Path(home), progress=print)
    facts = {"home": done.home, "backup": done.backup, "as of": done.at, "files": f"{done.files:,}", "ledger head": done.head.hash,
             **done.routes, "to know": "; ".join(done.notes)}
    publish("restore", "all", "Restored, waits to be confirmed", facts, links_of(settings, "overview"))
    return str(done.home)
