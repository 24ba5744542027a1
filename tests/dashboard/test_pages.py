"""Every page on a world where everything happened once, on an empty store, without a store, and with the server away."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from control_room_world import FLIGHTS, XSS, build, endpoint, observed, sha
from sqlalchemy import text as sql
from sqlalchemy import update
from streamlit.testing.v1 import AppTest

from interlock.control.decisions import actions
from interlock.control.keeping.keeper import export_head
from interlock.control.readmodel.waiting import taken
from interlock.records.store import Store
from interlock.records.tables import Outbox, Release
from interlock.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "dashboard" / "app.py"
VIEWS = ROOT / "dashboard" / "views"
ASIDE = {"__init__", "paper"}  # the print view is reached from a page and has tests of its own
PAGES = sorted(path.stem for path in (ROOT / "dashboard" / "views").glob("*.py") if path.stem not in ASIDE)


def opened(page: str, use_case: str = FLIGHTS, *, whole: bool = False) -> AppTest:
    """The page as a viewer opens it, with the use case in the address; `whole`: through the app with its navigation and sidebar."""
    alone = page != "overview" and not whole  # the overview links to other pages, which exist only inside the app
    app = AppTest.from_file(str(VIEWS / f"{page}.py" if alone else APP), default_timeout=60)
    app.query_params["use_case"] = use_case
    app.run()
    if page != "overview" and whole:
        app.switch_page(f"views/{page}.py").run()
    assert not app.exception, [one.message for one in app.exception]
    return app


def text(app: AppTest) -> str:
    """Everything that the page says, with what keeps foreign text from becoming Markdown taken out again."""
    headings, boxes = [*app.title, *app.header, *app.subheader], [*app.error, *app.warning, *app.info, *app.success]
    parts = [*headings, *app.markdown, *app.caption, *boxes, *app.code]
    cells = [str(cell) for one in app.table for cell in one.value.to_numpy().ravel()]
    return "\n".join([*(str(one.value) for one in parts), *cells]).replace("\\", "").replace("\u2060", "")


@pytest.fixture
def served(world: Settings) -> Iterator[Settings]:
    """The world with an endpoint that answers as the route says."""
    with endpoint(world.control_port, [observed()]):
        yield world


def test_there_are_the_thirteen_pages() -> None:
    assert PAGES == [
        "approvals",
        "costs",
        "data",
        "drift",
        "explainability",
        "fairness",
        "ledger",
        "overview",
        "performance",
        "releases",
        "runs",
        "time_machine",
        "use_case",
    ]


EXPECTED = {
    "overview": ["What needs me now", "Flight delays", "version 2", "Version 3 passed every gate and waits for your decision"],
    "approvals": [
        "Version 3 waits for a decision",
        "The endpoint answers with version 2",
        "Gates: 3 of 3 pass",
        "The way back:",
        "10 % of requests",
    ],
    "releases": ["The endpoint itself answers with the approved digest", "at once and for all requests", "errors: 0 of 412 answers"],
    "performance": ["In production", "AUC", "ROC curve", "What another threshold would do", "Slowest 1 % of answers"],
    "drift": ["Columns × windows", "carrier"],
    "fairness": ["No sensitive attribute is declared"],
    "explainability": ["What carries the answers", "Every case, feature by feature", "One column decides"],
    "costs": ["Cost per day", "unit: USD per day (UTC)"],
    "data": ["From source to model", "Snapshots", "24 of 137,024 rows refused"],
    "runs": ["Asked for", "Finished", "Trained versions", "Alerts", "MLflow does not answer"],
    "ledger": ["Entry 8", "of 8 entries, newest first"],
    "time_machine": ["Version 2 answered", "Line of changes", "It had answered since", "approved by Grace Approver"],
    "use_case": ["check: in order", "rows_min", "Columns", "arr_delay"],
}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_the_world(page: str, served: Settings) -> None:
    shown = text(opened(page, whole=True))
    assert "Grace Approver" in shown
    assert "Local development mode" in shown
    assert [phrase for phrase in EXPECTED[page] if phrase not in shown] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_a_title_and_an_explanation(page: str) -> None:
    source = (ROOT / "dashboard" / "views" / f"{page}.py").read_text()
    assert f'page("{page.replace("_", " ").capitalize()}", ABOUT)' in source


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_store_is_said_with_the_next_step(page: str, environment: Settings, store: Store) -> None:
    app = opened(page)
    assert [one.value for one in app.error if "does not answer" not in one.value.replace("\\", "")] == []
    words = {
        "overview": "No use case has any data yet",
        "approvals": "No decision is waiting",
        "releases": "Nothing was released yet",
        "performance": "No window was monitored yet",
        "drift": "No window was compared yet",
        "fairness": "No sensitive attribute is declared",
        "explainability": "No version was validated yet",
        "costs": "Costs have not been added up yet",
        "data": "No rows have been taken in yet",
        "runs": "No run was asked for yet",
        "ledger": "The ledger is empty",
        "time_machine": "Nothing was released yet",
        "use_case": "check: in order",
    }
    assert words[page] in text(app)


@pytest.mark.parametrize("page", PAGES)
def test_without_a_store_the_command_is_named(page: str, environment: Settings) -> None:
    app = opened(page)
    assert "interlock migrate" in [one.value for one in app.code]
    assert "the store's schema is not the one this version needs" in text(app)


@pytest.mark.parametrize("page", ["overview", "approvals", "releases"])
def test_a_server_that_is_away_is_said_with_the_last_known_route(page: str, world: Settings) -> None:
    shown = text(opened(page))
    assert f"does not answer at http://127.0.0.1:{world.control_port}" in shown
    assert sha(f"{FLIGHTS} 2")[7:19] in shown


OWN_LINK = re.compile(r'\]\([a-z_]+\?use_case=[a-z0-9_]+(?: "(?:\\.|[^"\\])*")?\)')  # to another page, a sentence on hover
OWN_PICTURE = re.compile(r"!\[[^\[\]]*\]\(data:image/svg\+xml;base64,[A-Za-z0-9+/=]+\)")  # a trend, made of numbers


@pytest.mark.parametrize("page", PAGES)
def test_foreign_text_stays_text(page: str, environment: Settings, store: Store) -> None:
    build(store, payload=XSS)
    app = opened(page, "loan_approvals" if page == "fairness" else FLIGHTS)
    said = [str(one.value) for one in [*app.markdown, *app.caption, *app.error, *app.warning, *app.info]]
    said += [str(cell) for one in app.table for cell in one.value.to_numpy().ravel()]
    strange = [OWN_LINK.sub("", OWN_PICTURE.sub("", one)) for one in said]
    unescaped = [one.replace("\\[", "").replace("\\]", "").replace("\\<", "").replace("\\!", "") for one in strange]
    assert [one for one in unescaped if "](" in one or "<script" in one or "<img" in one or "![" in one] == []
    assert all(not one.allow_html for one in app.markdown)


def test_too_small_a_group_is_said_and_never_scored(served: Settings) -> None:
    app = opened("fairness", "loan_approvals")
    cells = app.table[1].value
    small = cells[cells["n"] == "31"].iloc[0]
    assert small["favourable answers"].replace("\\", "") == "not enough evidence: n = 31, at least 183 needed"
    assert cells[cells["n"] == "2,600"].iloc[0]["favourable answers"].replace("\\", "") == "0.31 (0.293 to 0.328)"  # Wilson, 2600 rows


def test_an_unknown_use_case_in_the_address_is_said(served: Settings) -> None:
    assert "There is no use case named 'nobody'" in text(opened("drift", "nobody"))


def test_another_endpoint_answer_than_the_route_is_not_hidden(world: Settings) -> None:
    with endpoint(world.control_port, [observed(1, previous=None, generation=6)]):
        shown = text(opened("releases"))
    assert "The endpoint answers with version 1" in shown
    assert "The route says version 2" in shown


def test_heavy_libraries_stay_out_of_the_control_room(served: Settings) -> None:
    import subprocess

    script = (
        "import sys\nfrom streamlit.testing.v1 import AppTest\n"
        f"app = AppTest.from_file({str(APP)!r}, default_timeout=60).run()\nassert not app.exception\n"
        "print([m for m in ('prefect', 'mlflow', 'evidently', 'shap', 'xgboost', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def decide(app: AppTest, kind: str, version: int, reason: str, typed: str) -> AppTest:
    """Fill the form and press its button."""
    next(one for one in app.text_area if one.key.startswith(f"reason {kind}")).input(reason)
    next(one for one in app.text_input if one.key.startswith(f"typed {kind}")).input(typed)
    next(one for one in app.button if one.label == f"{kind.capitalize()} version {version}").click()
    return app.run()


def test_rejecting_takes_the_decision_off_the_page_and_gives_a_receipt(served: Settings, store: Store) -> None:
    app = decide(opened("approvals"), "reject", 3, "drifts in May", FLIGHTS)
    assert not app.exception
    shown = text(app)
    assert "Recorded: version 3 is rejected: nothing changes. Signed by Grace Approver." in shown
    assert "No decision is waiting" in shown


def test_without_the_typed_confirmation_nothing_is_done(served: Settings) -> None:
    shown = text(decide(opened("approvals"), "reject", 3, "drifts in May", "flights"))
    assert "Nothing was done: type flight_delays to confirm." in shown
    assert "Version 3 waits for a decision" in shown


def test_without_a_reason_nothing_is_done(served: Settings) -> None:
    assert "Nothing was done: a reason is needed." in text(decide(opened("approvals"), "reject", 3, "  ", FLIGHTS))


def test_a_refused_approval_says_why(served: Settings, store: Store) -> None:
    """Another release is on its way, so the action would refuse; the page has its words before anything is filled in."""
    with store.writing() as session:
        session.execute(update(Release).where(Release.id == "release-2").values(state="canary", step=1))
    app = opened("approvals")
    assert "Not now: release release-2 of this use case is still on its way" in text(app)  # nobody fills in a form for nothing
    assert "Approve version 3" not in [one.label for one in app.button]


def test_the_author_is_told_that_somebody_else_approves(served: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from interlock.spec.load import find_use_case

    author = find_use_case(served, FLIGHTS)[1].approval.author or "Ada Author"
    monkeypatch.setenv("INTERLOCK_ACTOR", author)
    assert f"{author} wrote the use case, so somebody else has to approve." in text(opened("approvals"))


def test_rollback_is_previewed_and_needs_the_name(served: Settings) -> None:
    app = opened("releases")
    assert "Version 1 answers instead of version 2, at once and for all requests." in text(app)
    next(one for one in app.button if one.label == "Roll back to version 1").click()
    assert "Nothing was done" in text(app.run())


def test_a_release_on_its_way_is_followed_and_says_why_it_waits(served: Settings, store: Store) -> None:
    with store.writing() as session:
        session.execute(update(Release).where(Release.id == "release-2").values(state="canary", step=1))
        session.execute(update(Outbox).where(Outbox.id == "outbox-2").values(state="pending", last_error="Prefect does not answer"))
    shown = text(opened("approvals"))
    assert "The deploy/deploy run has not started (attempt 1): Prefect does not answer" in shown
    assert "Until it has ended, an approval is refused." in shown
    badges = [one.value.replace("\\", "") for one in opened("releases").markdown]
    assert any("answers a share of requests, step 1" in one for one in badges)


def test_a_store_of_another_version_is_refused_with_the_command(environment: Settings, store: Store) -> None:
    with store.writing() as session:
        session.execute(sql("UPDATE alembic_version SET version_num = 'older'"))
    app = opened("data")
    assert "Found: older." in text(app)
    assert "interlock migrate" in [one.value for one in app.code]


def test_verify_recomputes_the_chain_and_names_what_was_changed(served: Settings, store: Store) -> None:
    app = opened("ledger")
    assert "The chain holds: 8 entries recomputed." in text(app.button[0].click().run())
    with store.writing() as session:
        session.execute(sql('UPDATE ledger SET body = \'{"reason":"another"}\' WHERE seq = 5'))
    shown = text(app.button[0].click().run())
    assert "The chain does not hold." in shown
    assert "entry 5 was changed after it was written" in shown


def test_verify_shows_entries_that_were_cut_off_at_the_end(served: Settings, store: Store) -> None:
    app = opened("ledger")
    assert "No head was exported yet" in text(app.button[0].click().run())
    export_head(served, store)
    assert "It continues the exported head (entry 8)." in text(app.button[0].click().run())
    with store.writing() as session:  # what is left is a whole chain: only the head tells
        session.execute(sql("DELETE FROM ledger WHERE seq = 8"))
    assert "The chain does not hold." in text(app.button[0].click().run())


def test_a_second_click_asks_for_the_same_decision_again(served: Settings, store: Store) -> None:
    """The first run can be interrupted before the page knows its receipt: the second one repeats the nonce and gets it."""
    app = decide(opened("approvals"), "reject", 3, "drifts in May", FLIGHTS)
    nonce = app.session_state["receipt"].nonce
    assert nonce in app.session_state["nonces"].values()
    again = actions.reject(
        served,
        store,
        actor="Grace Approver",
        evidence_digest=taken(store, FLIGHTS)[0].evidence_digest or "",
        reason="drifts in May",
        nonce=nonce,
    )
    assert again.replayed
    assert again.decision_id == app.session_state["receipt"].decision_id


DEEPER = {
    ("fairness", "loan_approvals"): [
        "Adverse impact by sex",
        "not enough evidence: n = 31, at least 183 needed",
    ],
    ("approvals", FLIGHTS): [
        "Decisions that would change: 60 of 400 captured requests would be decided differently",
        "Worth of these changes: Expected: +120 EUR.",
        "Where decisions change most",
        "What drives the changes",
        "Without hour the loss on 900 validation rows is surely less than 0.5% higher.",
        "This evidence has no change list.",
    ],
}


@pytest.mark.parametrize(("page", "use_case"), DEEPER)
def test_a_page_draws_what_newer_evidence_holds(page: str, use_case: str, served: Settings) -> None:
    shown = text(opened(page, use_case)).replace("**", "")
    assert [phrase for phrase in DEEPER[page, use_case] if phrase not in shown] == []


def test_the_signature_stands_above_the_details(served: Settings) -> None:
    app = opened("approvals")
    said = [f"{one.label or one.value}" if hasattr(one, "label") else str(one.value) for one in app.main if hasattr(one, "value")]
    starts = ("Version 3 waits", "**Gates: 3 of 3", "What a yes starts", "Reason", "Approve version 3", "A closer look")
    order = [next(n for n, one in enumerate(said) if one.startswith(start)) for start in starts]
    assert order == sorted(order)


def test_a_fault_of_our_own_is_said_and_is_no_zero(world: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("for the test")

    monkeypatch.setattr("interlock.control.readmodel.spending.spending", broken)
    app = AppTest.from_file(str(VIEWS / "costs.py"), default_timeout=60).run()
    assert "Costs could not be drawn to its end" in text(app)
    assert "for the test" not in app.exception[0].message  # what it is stands in the log
