"""Two signatures under an exception: one person waives on the Approvals page, another one approves on it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from control_room_world import LOANS, evidence_of, observed
from sqlalchemy import select
from streamlit.testing.v1 import AppTest
from test_pages import endpoint, opened, text

from interlock.control.readmodel.signals import from_gate
from interlock.control.readmodel.waivers import WaiverView, exceptions, waivers
from interlock.records.store import Store
from interlock.records.tables import Candidate, Decision, EvidenceRow, Release
from interlock.rules.findings import Finding, State
from interlock.rules.gates import Gate, GateResult, judge
from interlock.settings import Settings
from interlock.spec.load import find_use_case, spec_digest

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def loan(world: Settings, store: Store) -> str:
    """Fresh evidence about version 1 of the loans under the present policy, in which one group is too small; returns its digest."""
    with store.writing() as session:
        row = session.scalars(select(Candidate).where(Candidate.use_case == LOANS)).one()
        row.spec_digest = spec_digest(find_use_case(world, LOANS)[0])
        made = evidence_of(row, 1, unknown=True, payload="Black").model_copy(update={"created_at": datetime.now(UTC)})
        body = made.model_dump(mode="json")
        session.add(
            EvidenceRow(
                digest=made.seal(), use_case=LOANS, candidate_id=row.id, verdict=made.verdict.value, body=body, created_at=made.created_at
            )
        )
    return made.seal()


def press(app: AppTest, kind: str, label: str, *, typed: str = LOANS) -> AppTest:
    next(one for one in app.text_area if one.key.startswith(f"reason {kind}")).input("small sample, known limits")
    next(one for one in app.text_input if one.key.startswith(f"typed {kind}")).input(typed)
    next(one for one in app.button if one.label == label).click()
    return app.run()


def decisions(store: Store, kind: str) -> list[Decision]:
    with store.reading() as session:
        return list(session.scalars(select(Decision).where(Decision.kind == kind, Decision.use_case == LOANS)))


def test_one_person_waives_and_another_approves(world: Settings, store: Store, loan: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with endpoint(world.control_port, [observed()]):
        app = opened("approvals", LOANS)
        assert "'Groups' can be waived by one person" in text(app)
        first = press(app, "waive", "Waive for version 1")
        assert "fairness waived: now somebody else must approve" in text(first)
        (waiver,) = decisions(store, "waive")
        assert (waiver.actor, waiver.evidence_digest, waiver.detail["gates"]) == ("Grace Approver", loan, ["fairness"])
        assert waiver.detail["on_expiry"] == "rollback"
        assert waiver.expires_at is not None
        assert waiver.expires_at - waiver.created_at == timedelta(days=7)

        assert "You waived 'Groups', so somebody else has to approve." in text(first)
        assert "Approve version 1" not in [one.label for one in first.button]  # no form that could only be refused

        monkeypatch.setenv("INTERLOCK_ACTOR", "Omar Second")
        other = opened("approvals", LOANS)
        assert "Grace Approver waived fairness until" in text(other)
        assert "Approve will be refused" not in text(other)
        approved = press(other, "approve", "Approve version 1")
    assert "Recorded: version 1 is approved" in text(approved)
    (decision,) = decisions(store, "approve")
    assert (decision.actor, decision.detail["waivers"]) == ("Omar Second", [waiver.id])
    with store.reading() as session:
        assert session.scalars(select(Release).where(Release.decision_id == decision.id)).one().state == "planned"


def test_a_waiver_needs_the_typed_name_and_at_least_one_gate(world: Settings, store: Store, loan: str) -> None:
    app = opened("approvals", LOANS)
    assert "Nothing was done: type loan_approvals to confirm." in text(press(app, "waive", "Waive for version 1", typed="loans"))
    app.multiselect[0].set_value([])
    assert "no gate is named" in text(press(app, "waive", "Waive for version 1"))
    assert decisions(store, "waive") == []


def test_where_every_gate_passed_there_is_nothing_to_waive(world: Settings) -> None:
    app = opened("approvals")
    labels = [one.label for one in app.tabs]
    assert labels[:2] == ["Approve", "Reject"]
    assert "Waive" not in labels


def gate(name: str, state: State = State.OK, value: float | None = 0.5) -> GateResult:
    rule = Gate(name=name, title=name, metric=name, direction="at_least", threshold=0.8, question="?", source="convention")
    return judge(rule, [Finding(metric=name, value=value, sample_size=40, state=state, needed=60 if state is State.TOO_FEW else None)])


def view(*gates: str, actor: str = "Ann", days: float = 1) -> WaiverView:
    return WaiverView("w", actor, "reason", gates, NOW + timedelta(days=days), "ask")


def names(gates: tuple[GateResult, ...]) -> list[str]:
    return [one.gate for one in gates]


def test_what_still_stops_a_person() -> None:
    failed, few, error = gate("failed"), gate("few", State.TOO_FEW, None), gate("error", State.ERROR, None)
    found = exceptions([failed, few, error], [view("failed"), view("few", days=-1)], "Ann", NOW, single_person=False)
    assert (names(found.final), names(found.unsigned), names(found.own)) == (["error"], ["few"], ["failed"])
    assert len(found.held) == 1

    assert exceptions([failed], [view("failed")], "Bob", NOW, single_person=False).clear
    assert exceptions([failed], [view("failed")], "Ann", NOW, single_person=True).clear
    assert not exceptions([failed], [view("failed")], "ann", NOW, single_person=False).clear


def test_a_gate_about_one_group_names_the_group_and_not_its_own_title_again() -> None:
    rule = Gate(name="g", title="Groups", metric="m", direction="at_least", threshold=0.8, question="?", source="convention")
    small = Finding(metric="m", segment="black=true", state=State.TOO_FEW, sample_size=36, needed=60, note="too few")
    signal = from_gate(judge(rule, [small]))
    assert signal.name == "Groups"
    assert signal.sentence.startswith("black=true: ")
    assert "Groups" not in signal.sentence


def test_waivers_are_read_for_their_evidence_only(world: Settings, store: Store, loan: str) -> None:
    press(opened("approvals", LOANS), "waive", "Waive for version 1")
    assert [one.gates for one in waivers(store, loan)] == [("fairness",)]
    assert waivers(store, "sha256:other") == []
