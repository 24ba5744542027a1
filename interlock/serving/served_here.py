"""Versions that this server answered customers with: `run/served/<use_case>.json`. Only these may be asked for by number.

Written when a route with a new champion is installed, which takes the control token and a decision; so nothing unapproved gets in.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from interlock.records.pointer import write_durably
from interlock.rules.routes import Route

log = logging.getLogger("interlock.serving")
VERSIONS_MAX = 256
FOLDER = "served"


class Served:
    """Version → digest per use case; the newest `VERSIONS_MAX`. Withdrawn versions stay out for good."""

    def __init__(self, run: Path) -> None:
        self._folder = run / FOLDER
        self._all: dict[str, dict[str, str]] = {}
        self._withdrawn: dict[str, list[str]] = {}
        for path in sorted(self._folder.glob("[!.]*.json")):
            try:
                body = json.loads(path.read_bytes())
                self._all[path.stem] = {str(int(version)): str(digest) for version, digest in body["versions"].items()}
                self._withdrawn[path.stem] = [str(int(version)) for version in body["withdrawn"]]
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                log.error("%s is damaged (%s): older versions of it are not served until they are live again", path, type(error).__name__)

    def of(self, use_case: str) -> dict[str, str]:
        """Versions that may be asked for, with their digests."""
        gone = self._withdrawn.get(use_case, [])
        return {version: digest for version, digest in self._all.get(use_case, {}).items() if version not in gone}

    def note(self, route: Route) -> None:
        """The route's champion and previous version answered. What cannot be written is noted again at the next start."""
        known = self._all.setdefault(route.use_case, {})
        new = {str(slot.version): slot.digest for slot in (route.champion, route.previous) if slot is not None}
        if new.items() <= known.items():
            return
        known |= new
        for version in sorted(known, key=int)[:-VERSIONS_MAX]:
            del known[version]
        try:
            self._write(route.use_case)
        except OSError as error:
            log.error("the versions that served cannot be written down: %s", error)

    def withdraw(self, use_case: str, version: int) -> None:
        """Never answer with this version by number again (it is retired). Idempotent. Raises OSError when it cannot be written down."""
        gone = self._withdrawn.get(use_case, [])
        if str(version) in gone:
            return
        self._withdrawn[use_case] = [*gone, str(version)][-VERSIONS_MAX:]
        try:
            self._write(use_case)
        except OSError:
            self._withdrawn[use_case] = gone  # asked again, it must be written, not only remembered until the next start
            raise

    def _write(self, use_case: str) -> None:
        body = {"versions": self._all.get(use_case, {}), "withdrawn": self._withdrawn.get(use_case, [])}
        write_durably(self._folder / f"{use_case}.json", json.dumps(body, indent=2).encode())
