"""The keeper: heals, isolates errors, is alone, stops when told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import httpx
import pytest

from interlock.control.keeping import alerting
from interlock.control.keeping import keeper as keeping
from interlock.control.keeping.alerting import record_alert
from interlock.control.keeping.keeper import Keeper, head_path
from interlock.errors import SettingsError
from interlock.records import ledger, outbox
from interlock.records.tables import Alert, Candidate, Outbox, RouteRow

World = Any  # tests/control/conftest.py
NAME = "small_loans"


class NoPrefect:
    """Nothing is dispatched."""

    def run_once(self) -> list[str]:
        return []


@pytest.fixture
def keeper(world: World) -> Keeper:
    return Keeper(world.settings, world.store, world.endpoint, world.clock, dispatcher=NoPrefect(),  # type: ignore[arg-type]
                  compact=lambda: None)


def test_an_endpoint_that_lost_its_route_gets_it_back(world: World, keeper: Keeper) -> None:
    world.make_live(1)
    world.endpoint.routes.clear()
    keeper.run_once()
    assert (keeper.found[NAME].found, world.endpoint.observed(NAME).champion.version) == ("converged", 1)


def test_a_kill_between_the_stores_commit_and_the_endpoint_heals(world: World, keeper: Keeper) -> None:
    release = world.approve(world.candidate(1)).release_id
    world.endpoint.down = True
    world.run(release)            # the route is committed, the endpoint never hears of it
    assert NAME not in world.endpoint.routes
    world.endpoint.down = False
    keeper.run_once()
    assert world.endpoint.observed(NAME).champion.version == 1


def test_an_error_in_one_use_case_leaves_the_others_alone(world: World, keeper: Keeper) -> None:
    world.make_live(1)
    world.endpoint.routes.clear()
    with world.store.writing() as session:
        session.add(RouteRow(use_case="a_broken_one", generation=1, updated_at=world.clock(), body={
            "use_case": "a_broken_one", "generation": 1}))
    sound = world.endpoint.observed

    def observed(use_case: str) -> Any:
        if use_case == "a_broken_one":
            raise ZeroDivisionError("broken")
        return sound(use_case)

    world.endpoint.observed = observed
    for _ in range(3):
        keeper.run_once()
    assert keeper.found[NAME].found == "agrees"
    with world.store.reading() as session:
        assert [alert.title for alert in session.query(Alert)] == ["the keeper cannot reconcile a_broken_one"]


def test_a_run_that_reported_success_without_effect_is_started_again(world: World, keeper: Keeper) -> None:
    world.approve(world.candidate(1))
    with world.store.writing() as session:
        row = outbox.due(session, world.clock())[0]
        outbox.move(session, row, world.clock(), state="done")
    world.clock.forward(60)
    keeper.run_once()
    with world.store.reading() as session:
        assert [(row.state, row.attempt) for row in session.query(Outbox)] == [("pending", 2)]


def test_people_are_told_when_no_run_moves_a_release(world: World, keeper: Keeper) -> None:
    """Four runs reported success and nothing moved: a worker of another home, for example. It must not stand still in silence."""
    world.approve(world.candidate(1))
    for _ in range(6):
        with world.store.writing() as session:
            row = session.query(Outbox).one()
            if row.state == "pending":
                outbox.move(session, row, world.clock(), state="done")
        world.clock.forward(60)
        keeper.run_once()
    with world.store.reading() as session:
        assert [(row.state, row.attempt) for row in session.query(Outbox)] == [("done", 4)]
        assert [alert.title for alert in session.query(Alert)] == ["the release of small_loans does not move"]


def test_an_endpoint_ahead_of_the_store_is_told_not_guessed(world: World, keeper: Keeper) -> None:
    world.make_live(1)
    world.endpoint.routes[NAME] = world.route.model_copy(update={"generation": 9})
    keeper.run_once()
    assert keeper.found[NAME].found == "behind"
    with world.store.reading() as session:
        assert "was an old store restored?" in session.query(Alert).one().body


def test_people_are_told_once_per_outage_of_the_prediction_server(world: World, keeper: Keeper) -> None:
    world.make_live(1)

    def told_after(seconds: int, *, down: bool) -> int:
        world.endpoint.down = down
        for _ in range(seconds):
            world.clock.forward(1)
            keeper.run_once()
        with world.store.reading() as session:
            return sum("the prediction server does not answer" in alert.title for alert in session.query(Alert))

    assert told_after(60, down=True) == 0   # 59 s since the first silent pass
    assert told_after(30, down=True) == 1
    assert told_after(1, down=False) == 1
    assert told_after(59, down=True) == 1   # a new outage has not lasted yet
    assert told_after(30, down=True) == 2


def test_mlflows_alias_follows_the_champion_and_its_absence_is_only_a_warning(world: World, keeper: Keeper,
                                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, dict[str, str]]] = []

    def answer(url: str, *, json: dict[str, str], timeout: float) -> httpx.Response:
        asked.append((url.removeprefix(world.settings.mlflow_url), json))
        return httpx.Response(200)

    world.make_live(1)
    with world.store.writing() as session:
        session.query(Candidate).update({"mlflow_version": 7})
    keeper.run_once()  # nothing listens there
    told = json.loads((world.settings.folder("run") / "keeper.json").read_text())
    assert "does not answer" in told["errors"]["mirror champions in MLflow"]
    monkeypatch.setattr(httpx, "post", answer)
    for _ in range(30):
        world.clock.forward(1)
        keeper.run_once()
    assert asked == [("/api/2.0/mlflow/registered-models/alias", {"name": NAME, "alias": "champion", "version": "7"})]
    with world.store.reading() as session:
        assert session.query(Alert).count() == 0


def test_it_exports_the_ledgers_head_and_tells_that_it_lives(world: World, keeper: Keeper) -> None:
    world.make_live(1)
    keeper.run_once()
    with world.store.reading() as session:
        assert ledger.read_head(head_path(world.settings)) == ledger.head_of(session)
    told = json.loads((world.settings.folder("run") / "keeper.json").read_text())
    assert (told["pid"], told["found"][NAME]["found"]) == (os.getpid(), "agrees")


def test_a_failing_compaction_does_not_stop_the_rest(world: World, keeper: Keeper) -> None:
    def broken() -> None:
        raise OSError("disk full")

    keeper.compact = broken
    world.make_live(1)
    for _ in range(3):
        keeper.run_once()
        world.clock.forward(6)
        keeper.beside.wait()
    keeper.run_once()
    keeper.close()
    assert keeper.found[NAME].found == "agrees"
    told = json.loads((world.settings.folder("run") / "keeper.json").read_text())
    assert "disk full" in told["errors"]["compaction"]


def a_slow_job_holds_up_no_pass(world: World, keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """A webhook that does not answer, and a lake from which many rows leave slowly: routes are healed meanwhile, and each job runs once."""
    release, begun = threading.Event(), list[str]()

    def slow(name: str) -> Any:
        def job(*_: Any) -> None:
            begun.append(name)
            if not release.wait(60):
                raise TimeoutError(f"nobody went on while {name} was at work")
        return job

    monkeypatch.setattr(alerting, "deliver", slow("alerts"))
    monkeypatch.setattr(keeping, "expire_all", slow("rows"))
    world.make_live(1)
    keeper.run_once()
    until = time.monotonic() + 30
    while len(begun) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    world.endpoint.routes.clear()
    world.clock.forward(3_601)
    keeper.run_once()
    assert (keeper.found[NAME].found, sorted(begun)) == ("converged", ["alerts", "rows"])
    assert not release.is_set()
    release.set()
    keeper.beside.wait()
    keeper.run_once()
    keeper.close()
    told = json.loads((world.settings.folder("run") / "keeper.json").read_text())
    assert told["errors"] == {}


def test_a_slow_job_holds_up_no_pass(world: World, keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    a_slow_job_holds_up_no_pass(world, keeper, monkeypatch)


def test_jobs_within_the_pass_are_caught(world: World, keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    def within(self: Keeper, lane: str, job: str, seconds: float, action: Any) -> None:
        self._every(job, seconds, action)

    monkeypatch.setattr(threading.Event, "wait", lambda self, timeout=None: self.is_set())  # nobody waits for what never comes
    monkeypatch.setattr(Keeper, "_every_beside", within)
    with pytest.raises(AssertionError):
        a_slow_job_holds_up_no_pass(world, keeper, monkeypatch)


def test_what_fails_beside_is_told_in_the_next_pass(world: World, keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise OSError("no such bucket")

    monkeypatch.setattr(keeping, "expire_all", broken)
    keeper.run_once()
    keeper.beside.wait()
    world.clock.forward(1)
    keeper.run_once()  # an hour before it is due again
    told = json.loads((world.settings.folder("run") / "keeper.json").read_text())
    assert told["errors"] == {"captured rows whose time is over": "OSError: no such bucket"}
    keeper.close()


def test_it_is_at_work_before_it_needs_heavy_libraries() -> None:
    """Its first pass after a kill must not wait for imports that only later work needs."""
    heavy = ("alembic", "numpy", "polars", "pyarrow", "mlflow", "prefect", "boto3", "apprise", "xgboost")
    code = f"import sys, interlock.control.keeping.keeper\nprint([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_there_is_one_keeper(world: World) -> None:
    with keeping.only_one(world.settings), pytest.raises(SettingsError, match="already at work"), keeping.only_one(world.settings):
        pass
    with keeping.only_one(world.settings):
        pass


def test_a_broken_use_case_file_does_not_silence_alerts(world: World, keeper: Keeper) -> None:
    release = world.approve(world.candidate(1)).release_id
    world.run(release)
    (world.settings.usecases_dir / "broken.toml").write_text("name = ")
    with world.store.writing() as session:
        record_alert(session, identity="x", severity="warning", title="t", body="b")
    keeper.run_once()
    keeper.beside.wait()
    with world.store.reading() as session:
        assert session.query(Alert).one().delivered["state"] == "delivered"


def test_a_broken_file_takes_no_team_its_pager(world: World, keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another team's broken file, then its own: the alert still goes to the address that the use case named."""
    asked: list[list[str]] = []

    class Pager:
        def __init__(self, addresses: list[Any]) -> None:
            asked.append([address.get_secret_value() for address in addresses])

        def send(self, *_: str) -> list[Any]:
            return []

    def tell(identity: str) -> None:
        with world.store.writing() as session:
            record_alert(session, identity=identity, severity="critical", title="t", body="b", use_case=NAME)
        world.clock.forward(60)
        keeper.run_once()
        keeper.beside.wait()

    monkeypatch.setattr(alerting, "AppriseNotifier", Pager)
    monkeypatch.setenv("LENDING_PAGER", "json://pager.example")
    own = world.settings.usecases_dir / f"{NAME}.toml"
    own.write_text(own.read_text() + '\n[alerts]\nurl_envs = ["LENDING_PAGER"]\n')
    (world.settings.usecases_dir / "broken.toml").write_text("name = ")
    tell("first")
    own.write_text("name = ")
    tell("second")
    assert asked == [["json://pager.example"]] * 2


def test_an_injected_clock_is_said_in_the_ledger(world: World) -> None:
    stop = threading.Event()
    stop.set()
    keeping.run(world.settings, world.store, endpoint=world.endpoint, clock=world.clock, stop=stop)
    with world.store.reading() as session:
        assert [entry.kind for entry in ledger.entries(session)] == ["clock.injected"]


def test_it_runs_until_told_to_stop(world: World) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=keeping.run, args=(world.settings, world.store),
                              kwargs={"endpoint": world.endpoint, "stop": stop})
    thread.start()
    time.sleep(0.5)
    stop.set()
    thread.join(30)
    assert not thread.is_alive()


@pytest.mark.end_to_end
def test_the_process_ends_cleanly_on_sigterm(world: World) -> None:
    environment = os.environ | {"INTERLOCK_HOME": str(world.settings.home), "INTERLOCK_PREFECT_PORT": str(world.settings.prefect_port)}
    process = subprocess.Popen([sys.executable, "-m", "interlock.cli.main", "keeper"], env=environment, stderr=subprocess.PIPE, text=True)
    beat = world.settings.folder("run") / "keeper.json"
    deadline = time.monotonic() + 30
    while not beat.is_file() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=20)
    assert (process.returncode, "Traceback" in log) == (0, False), log
