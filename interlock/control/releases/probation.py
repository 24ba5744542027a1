"""What is live answers, but its verdict is still open: three verdicts as time brings them, kept with the release.

    operational   minutes   errors of what the endpoint answered
    estimated     hours     performance of monitored windows without labels
    labels        days      performance of monitored windows on real outcomes

A verdict that the use case names in `probation_rollback_on` brings the previous version back, as do breaches of `[monitoring]
rollback_on`, on probation and after; a flap guard has people told instead. Silence is not health.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from interlock.control.access.people import AUTOMATIC
from interlock.control.endpoint import Endpoint, EndpointStats
from interlock.control.keeping import alerting
from interlock.control.keeping.alerting import record_alert
from interlock.control.releases import deploying
from interlock.control.releases.live_windows import LiveWindows
from interlock.control.releases.rollbacks import roll_back
from interlock.errors import DecisionRefused, UseCaseError
from interlock.records import decisions, releases
from interlock.records.store import Store
from interlock.rules.probation import PartVerdict, breach_of, from_windows, guard_objection, operational
from interlock.rules.releases import ReleaseState
from interlock.settings import Settings
from interlock.spec.load import find_use_case
from interlock.spec.operation import Monitoring
from interlock.spec.probation import Part

LIVE_WINDOWS = LiveWindows()
PARTS: tuple[Part, ...] = ("estimated", "labels")  # those that monitored windows bring
CONFIRMED = "confirmed"


def watch(settings: Settings, store: Store, endpoint: Endpoint, plan: deploying.Plan, clock: Callable[[], datetime]) -> str:
    """What is due for a release that is live, on probation or confirmed; in words, empty where nothing was done."""
    release, now = plan.release, clock()
    since, on_probation = _since(plan), plan.state is ReleaseState.PROBATION
    limits = _limits(settings, plan)
    live = LIVE_WINDOWS.of(store, release.use_case, plan.slot.digest, since, limits.window_hours)
    if not on_probation and LIVE_WINDOWS.looked_at(live):
        return ""  # nothing came since it was looked at
    windows = live.windows
    verdicts = [from_windows(part, windows, limits, plan.rollout.probation_windows) for part in PARTS]
    stats = None
    if on_probation:
        stats = endpoint.stats(release.use_case)
        verdicts.insert(0, _operational(plan, stats, (now - since).total_seconds()))
    _keep(store, plan, verdicts, now, since)
    for verdict in verdicts:
        if verdict.verdict == "fail" and (said := _failed(settings, store, endpoint, plan, verdict, since, clock)):
            return said
    if broken := breach_of(windows, limits.rollback_on, breaches=limits.breaches, of=limits.of):
        breach = f"release:{release.id}:windows:{windows[-1].end.isoformat()}"
        return roll_back_live(settings, store, endpoint, plan, f"monitoring: {broken}", breach, clock, from_windows=True)
    if stats is not None:
        return _confirm(store, plan, verdicts, stats, since, now)
    LIVE_WINDOWS.remember(live)
    return ""


def _limits(settings: Settings, plan: deploying.Plan) -> Monitoring:
    """What windows are held against: on probation as it was approved (windows as long as they are made now), once confirmed as the file
    says now; as approved too where the file cannot be read."""
    try:
        present = find_use_case(settings, plan.release.use_case)[1].monitoring
    except UseCaseError:  # `interlock check` and the control room tell; what is live is watched all the same
        return plan.use_case.monitoring
    approved = plan.use_case.monitoring.model_copy(update={"window_hours": present.window_hours})
    return approved if plan.state is ReleaseState.PROBATION else present


def roll_back_live(settings: Settings, store: Store, endpoint: Endpoint, plan: deploying.Plan, reason: str, breach: str,
                   clock: Callable[[], datetime], *, guarded: bool = True, from_windows: bool = False, news: str = "") -> str:
    """The automatic rollback of what is live; without a way back, or where the flap guard objects, people are told instead, once.

    What the guard left to a person stays with the person, also when it would no longer object; another breach, or `news` of the same
    one, is asked about anew.
    """
    now, name, flap = clock(), plan.release.use_case, f"flap:{breach}{news}"
    if guarded and alerting.told(store, flap):
        return ""
    if guarded and (objection := _guard(store, plan, now, from_windows)):
        alert_version(store, flap, plan, "it is not rolled back without a person", f"{reason}. {objection}. "
                      f"Decide: interlock rollback {name}", now)
        return ""
    try:
        roll_back(settings, store, endpoint, actor=AUTOMATIC, use_case=name, reason=reason, nonce=breach[-64:],
                  expected_generation=plan.route.generation, standing={"breach": breach}, clock=clock)
    except DecisionRefused as error:
        if deploying.load(settings, store, plan.release.id).route.generation != plan.route.generation:
            return ""  # somebody else took it off, or moved the route, at this very moment: the next pass sees what is left to do
        alert_version(store, f"stuck:{breach}", plan, "it cannot be rolled back", f"{reason}. {error}", clock())
        return ""
    return f"rolled back: {reason}"


def alert_version(store: Store, identity: str, plan: deploying.Plan, what: str, body: str, now: datetime) -> None:
    """Tell people, once per `identity`, that something about a live version needs them."""
    with store.writing() as session:
        record_alert(session, identity=identity, use_case=plan.release.use_case, severity="critical", at=now, body=body,
                     title=f"version {plan.slot.version} of {plan.release.use_case}: {what}")


def _operational(plan: deploying.Plan, stats: EndpointStats, elapsed_s: float) -> PartVerdict:
    """Errors count only where the endpoint answers with this very generation."""
    if stats.generation != plan.route.generation:
        return PartVerdict("operational", "open", 0, _unproven(plan, stats))
    return operational(plan.rollout, stats.champion, elapsed_s, _unproven(plan, stats))


def _unproven(plan: deploying.Plan, stats: EndpointStats) -> str:
    """What is missing before silence may count as health: the endpoint has taken the route on and has answered with it."""
    if stats.generation != plan.route.generation:
        return f"the endpoint answers with generation {stats.generation}, not with {plan.route.generation}"
    if stats.champion.requests <= stats.champion.errors:
        return "the endpoint has not answered one request with it"
    return ""


def _failed(settings: Settings, store: Store, endpoint: Endpoint, plan: deploying.Plan, verdict: PartVerdict, since: datetime,
            clock: Callable[[], datetime]) -> str:
    """A failed verdict: back, where the use case says so; else people are told, once per time it went live."""
    reason = f"on probation: {verdict.sentence}" if plan.state is ReleaseState.PROBATION else verdict.sentence
    breach = f"release:{plan.release.id}:{'probation' if verdict.part == 'operational' else f'{verdict.part}:{since.isoformat()}'}"
    if verdict.part in plan.rollout.probation_rollback_on:
        return roll_back_live(settings, store, endpoint, plan, reason, breach, clock, from_windows=verdict.part != "operational",
                              news=f":{verdict.windows}" if verdict.windows else "")
    alert_version(store, f"failed:{breach}", plan, f"its {verdict.part} verdict is fail", reason, clock())
    return ""


def _confirm(store: Store, plan: deploying.Plan, verdicts: list[PartVerdict], stats: EndpointStats, since: datetime, now: datetime) -> str:
    """Live, once every verdict that the use case waits for has passed; people are told once when one is missing for too long."""
    rollout, elapsed = plan.rollout, (now - since).total_seconds()
    missing = [verdict for verdict in verdicts if verdict.part in rollout.probation_confirm and verdict.verdict != "pass"]
    if elapsed < rollout.probation_s:
        return ""
    if missing:
        patience = rollout.wait_max_s if missing[0].part == "operational" else rollout.probation_wait_max_s
        if elapsed > patience:
            alert_version(store, f"unconfirmed:{plan.release.id}", plan, "it cannot be confirmed",
                          f"{missing[0].sentence}, {elapsed:,.0f} s after its release", now)
        return ""
    with store.writing() as session:
        fresh = releases.get(session, plan.release.id)
        if fresh.state == ReleaseState.PROBATION:
            parts = ", ".join(rollout.probation_confirm)
            releases.move(session, fresh, ReleaseState.LIVE, now=now, actor=AUTOMATIC,
                          reason=f"no breach within {rollout.probation_s:g} s on probation" if parts == "operational" else
                          f"on probation its verdicts passed: {parts}",
                          judgement={"probation": CONFIRMED, "verdict": "pass", "n": stats.champion.requests, "windows": 0,
                                     "sentence": f"confirmed on: {parts}", "at": now.isoformat(), "since": since.isoformat()})
    return "live, confirmed"


def _keep(store: Store, plan: deploying.Plan, verdicts: list[PartVerdict], now: datetime, since: datetime) -> None:
    """The newest of each verdict stays in the release's analysis; nothing is written while nothing but counts of seconds changed."""
    known = {item.get("probation"): item for item in plan.release.analysis if item.get("since") == since.isoformat()}
    fresh = [one for one in verdicts if _news(known.get(one.part), one)]
    if not fresh:
        return
    with store.writing() as session:
        release = releases.get(session, plan.release.id)
        if release.state == plan.release.state:
            releases.replace(session, release, [one.plain(now, since) for one in fresh], key="probation")


def _news(known: dict[str, object] | None, one: PartVerdict) -> bool:
    if known is None:
        return one.part == "operational" or one.windows > 0
    if one.part == "operational":
        return known["verdict"] != one.verdict
    return (known["verdict"], known["n"], known["windows"]) != (one.verdict, one.n, one.windows)


def _since(plan: deploying.Plan) -> datetime:
    """When the version began to answer everything this time: a confirmation goes on counting from the start of its probation."""
    for item in reversed(plan.release.analysis):
        if item.get("probation") == CONFIRMED and item.get("at") == plan.release.state_since.isoformat():
            return datetime.fromisoformat(str(item["since"]))
    return plan.release.state_since


def _guard(store: Store, plan: deploying.Plan, now: datetime, from_windows: bool) -> str:
    with store.reading() as session:
        earlier = decisions.automatic_rollbacks(session, plan.release.use_case)
    target = plan.route.previous
    taken_off = [row.created_at for row in earlier if target is not None and (row.detail.get("from") or {}).get("digest") == target.digest]
    return guard_objection([row.created_at for row in earlier], now, plan.rollout, target_taken_off=max(taken_off, default=None),
                           from_windows=from_windows)
