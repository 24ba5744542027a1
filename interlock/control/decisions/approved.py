"""The use-case file that a release runs under: the one that was judged and approved, whatever was written into it meanwhile."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from interlock.control.keeping.alerting import record_alert, told
from interlock.errors import UseCaseError
from interlock.records import policies
from interlock.records.store import Store
from interlock.records.tables import Decision, Release
from interlock.rules.releases import ReleaseState
from interlock.settings import Settings
from interlock.spec.load import find_use_case, policy_digest, spec_digest
from interlock.spec.usecase import UseCase

if TYPE_CHECKING:
    from interlock.control.releases.deploying import Plan

BEFORE_STEPS = (ReleaseState.PLANNED, ReleaseState.STAGED)
EDITED = "The use-case file was changed since this release was approved. It goes on as approved: steps, limits and analysis are those of " \
         "the approved file. The change counts from the next validation on."


def policy_of(settings: Settings, release: Release, decision: Decision) -> tuple[str | None, UseCase, str]:
    """Digest of the use-case file as it is now (None: no readable file names the use case), the use case as it was approved, and why that
    is not to be had (empty: it is).

    Where the approved file is not on record (releases from before files were kept; a damaged folder), the present file serves while it
    still is the approved one; else the third says why no step may be taken. Before the first step a file that cannot be read raises
    `UseCaseError`: nothing is decided on a half-written one. After it that is raised where neither file can be read: the keeper then takes
    the candidate's share back (`stepping.hold_unread`).
    """
    early = ReleaseState(release.state) in BEFORE_STEPS
    digest = spec_digest(find_use_case(settings, release.use_case)[0]) if early else _present_digest(settings, release.use_case)
    try:
        return digest, policies.kept(settings, decision.policy_digest), ""
    except UseCaseError as error:
        try:
            path, present = find_use_case(settings, release.use_case)
        except (UseCaseError, OSError) as second:
            raise UseCaseError(f"{error.what}, and the use-case file as it is now cannot be read either", value=str(second)[:300],
                               next_step=f"restore policies/{str(decision.policy_digest).removeprefix('sha256:')}.toml from a backup"
                               ) from second
        same = spec_digest(path) == decision.policy_digest
        return digest, present, "" if same else f"{error.what}, and the use-case file is another one by now"


def _present_digest(settings: Settings, name: str) -> str | None:
    """As `policy_digest`; a folder that cannot be read names nothing either, and stops no release whose approved file is there."""
    try:
        return policy_digest(settings, name)
    except OSError:
        return None


def tell_edited(store: Store, plan: Plan, now: datetime) -> None:
    """People are told once per edit that a release on its way goes on under what was approved."""
    identity = f"policy:{plan.release.id}:{plan.policy_digest}"
    if not plan.edited or told(store, identity):
        return
    live = plan.state is ReleaseState.PROBATION
    way_out = f"interlock rollback {plan.release.use_case}" if live else f"interlock abort {plan.release.id}"
    with store.writing() as session:
        record_alert(session, identity=identity, use_case=plan.release.use_case, severity="warning", at=now,
                     title=f"version {plan.slot.version} of {plan.release.use_case} goes on as approved: its use-case file was changed",
                     body=f"{EDITED} Approved: {plan.decision.policy_digest}. To end it: {way_out}")
