"""The Releases page on every kind of step: measures with interval and counts, shadow flips, no traffic, the A/B test's interval."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update
from test_pages import opened, text
from test_pages import served as served

from dashboard.desk import forget
from interlock.control.releases.stepping import _body
from interlock.records.store import Store, utc_now
from interlock.records.tables import Decision, Release
from interlock.rules.arms import ArmStats
from interlock.rules.canary import judge_step
from interlock.rules.sequential import AbCounts
from interlock.rules.strategies import step_of
from interlock.settings import Settings
from interlock.spec.rollout import AbTest, Rollout

pytestmark = pytest.mark.usefixtures("served")
EVEN = ArmStats(requests=400, histogram=(20,) * 20, latency=(0,) * 17 + (400,) + (0,) * 52, latency_p99_ms=1.9)


def told() -> str:
    """What the page says, the titles of its judgements included."""
    app = opened("releases")
    titles = "\n".join(one.label for one in app.expander)
    return "\n".join([text(app), titles.replace("\\", "").replace("\u2060", "")]).replace("**", "")


class Plan:
    """What `_body` asks of a plan."""

    def __init__(self, rollout: Rollout, release: Any) -> None:
        self.rollout, self.release, self.route = rollout, release, type("Route", (), {"generation": 7})


def judged(store: Store, rollout: Rollout, champion: ArmStats, candidate: ArmStats, state: str, *, interim: bool = True,
           **more: Any) -> None:
    """Release 2 in step 1 of this rollout, judged on these arms."""
    judgement = judge_step(rollout, step_of(rollout, 1), champion, candidate, 61, **more)
    now = utc_now()
    release = type("One", (), {"step": 1, "state_since": now})
    body = {**_body(Plan(rollout, release), judgement, now), **({"interim": True} if interim else {})}  # type: ignore[arg-type]
    with store.writing() as session:
        session.execute(update(Release).where(Release.id == "release-2").values(state=state, step=1, analysis=[body]))


def test_a_shadow_shows_its_flips_and_what_was_dropped(served: Settings, store: Store) -> None:
    rollout = Rollout(strategy="shadow", shadow_s=600, flip_rate_max=0.05)
    judged(store, rollout, EVEN, replace(EVEN, compared=400, flips=8, dropped=3), "shadow")
    shown = told()
    assert "Shadow, step 1 (shadow): waiting so far" in shown
    assert "decision flips: 8 of 400 mirrored requests (2.00%, 95 % interval 1.02% to 3.90%), at most 5.00% allowed" in shown
    for cell in ("1.02% to 3.90%", "8 of 400", "candidate (mirrored requests)", "loaded; no customer sees its answers, step 1"):
        assert cell in shown


def test_no_traffic_is_said_in_its_own_words(served: Settings, store: Store) -> None:
    judged(store, Rollout(), EVEN, ArmStats(), "canary")
    shown = told()
    assert "Canary, step 1 (share of requests): no traffic so far" in shown
    assert "No traffic. The candidate was not asked. Silence promotes nothing." in shown


def test_an_ab_test_shows_its_confidence_sequence(served: Settings, store: Store) -> None:
    rollout = Rollout(strategy="ab", interval_s=60, ab=AbTest(samples_max=2_000))
    judged(store, rollout, EVEN, EVEN, "paused", interim=False, ab=AbCounts(300, 1_000, 300, 1_000))
    shown = told()
    assert "A/B, step 1 (A/B test): inconclusive: a person decides" in shown
    assert "A/B test: no difference that matters. 300 of 1,000 with the candidate, 300 of 1,000 with the champion." in shown
    assert "this interval holds at every look" in shown


def test_every_measure_has_its_interval_and_counts(served: Settings, store: Store) -> None:
    slow = replace(EVEN, latency=(0,) * 17 + (200,) + (0,) * 22 + (200,) + (0,) * 29)
    judged(store, Rollout(), EVEN, slow, "rolled_back", interim=False)
    shown = told()
    assert "Canary, step 1 (share of requests): failed" in shown
    assert "(95 % interval" in shown
    assert "0.00% to 0.95%" in shown  # Wilson of 0 errors among 400
    assert "Both versions over the same period" in shown


def test_an_edit_in_the_middle_is_said_on_the_page(served: Settings, store: Store) -> None:
    """The decision rests on another digest than the file's: what is on its way goes on as approved, what is live is no matter."""
    said = "The use-case file was changed since this release was approved. It goes on as approved"
    judged(store, Rollout(), EVEN, EVEN, "canary")
    assert said not in told()
    with store.writing() as session:
        session.execute(update(Decision).where(Decision.id == "decision-2").values(policy_digest="sha256:" + "7" * 64))
    forget()
    assert said in told()
    judged(store, Rollout(), EVEN, EVEN, "live")
    forget()
    assert said not in told()


@pytest.mark.parametrize(("stage", "word"), [("staging", "verified and staged"), ("before there was any", "verified")])
def test_what_was_staged_is_called_so(served: Settings, store: Store, stage: str, word: str) -> None:
    body = {"stage": stage, "verdict": "pass", "measures": [], "at": utc_now().isoformat()}
    with store.writing() as session:
        session.execute(update(Release).where(Release.id == "release-2").values(state="staged", step=0, analysis=[body]))
    assert f"[▲ {word}]" in told()
