"""`deploy`: take an approved release as far as it may go now, then end.

Reads release, decision, evidence and package. Computes, on a staging server, answers and latency of the candidate. Judges whether the
decision still counts, the package is whole and the staged candidate answers as it must. Records the release's step and the route. Bake
time, pause and probation are states that the keeper advances; nothing waits here.
"""

from __future__ import annotations

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from flows.artifacts import links_of, publish
from interlock.control.endpoint import reached
from interlock.control.opening import Installation, opened
from interlock.control.releases import deploying
from interlock.records.store import utc_now
from interlock.rules.releases import ReleaseState
from interlock.rules.staging import StagingJudgement


@flow(name="deploy", log_prints=True)
def deploy(use_case: str, release_id: str) -> str:
    """Verify, probe, stage and put RELEASE_ID of USE_CASE on its next step; the answer is the state it reached."""
    with opened(use_case) as installation:
        plan = deploying.load(installation.settings, installation.store, release_id)
        if plan.state is ReleaseState.PLANNED:
            problems = verify(installation, plan) or probe(installation, plan)
            stage(installation, plan, problems, None if problems else rehearse(installation, plan))
        outcome = converge(installation, go_on(installation, release_id))
        report(installation, outcome)
        return outcome.state.value


@task(cache_policy=NO_CACHE)
def verify(installation: Installation, plan: deploying.Plan) -> list[str]:
    """Decision, seal and every byte of the package; what is wrong, in words."""
    return deploying.verify(installation.settings, installation.store, plan, utc_now())


@task(cache_policy=NO_CACHE)
def probe(installation: Installation, plan: deploying.Plan) -> list[str]:
    """A child process answers the golden rows; what is wrong, in words."""
    return deploying.probe(installation.settings, plan)


@task(cache_policy=NO_CACHE)
def rehearse(installation: Installation, plan: deploying.Plan) -> StagingJudgement:
    """Smoke requests and the declared load against the same bytes on a server of their own."""
    return deploying.rehearse(installation.settings, installation.store, plan)


@task(cache_policy=NO_CACHE)
def stage(installation: Installation, plan: deploying.Plan, problems: list[str], judgement: StagingJudgement | None) -> str:
    """planned → staged, or failed with the problems."""
    for problem in problems or ([judgement.sentence] if judgement is not None else []):
        get_run_logger().info(problem)
    return deploying.stage(installation.store, plan, problems, judgement).value


@task(cache_policy=NO_CACHE)
def go_on(installation: Installation, release_id: str) -> deploying.Outcome:
    """The next step of the route, as far as the keeper's judgement permits."""
    return deploying.go_on(installation.settings, installation.store, release_id)


@task(cache_policy=NO_CACHE)
def converge(installation: Installation, outcome: deploying.Outcome) -> deploying.Outcome:
    """Give the endpoint its route at once; the keeper repeats what fails here."""
    with reached(installation.settings) as endpoint:
        return deploying.converge(endpoint, outcome)


@task(cache_policy=NO_CACHE)
def report(installation: Installation, outcome: deploying.Outcome) -> None:
    """Publish where the release stands."""
    get_run_logger().info(outcome.sentence)
    name = installation.use_case.name
    publish("deploy", name, f"Release of {name}", deploying.facts(outcome), links_of(installation.settings, "releases"))
