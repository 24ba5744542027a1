"""Laws 8 and 11 of docs/architecture.md: each check passes on the real code and fails on a deliberately broken variant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from interlock.records import ingest as ingestion
from interlock.records import quarantine
from interlock.records.ingest import ingest
from interlock.records.intake import Piece
from interlock.records.lake import lake_from, read_frames
from interlock.records.store import Store
from interlock.records.tables import Batch
from interlock.settings import Settings
from interlock.spec.usecase import UseCase

PEOPLE = ("anna.aigner@example.org", "bert.bauer@example.org")


@pytest.fixture
def use_case(tmp_path: Path, make_use_case: Any) -> UseCase:
    """30 good rows and a bad one, about two people; no column is unique, so that a row taken twice would count twice."""
    rows = "".join(f"{n},2024-01-{1 + n % 28:02d}T10:00:00Z,{20 + n},{PEOPLE[n % 2]},{n}.5,{'yes' if n % 3 else 'no'}\n" for n in range(30))
    (tmp_path / "tiny.csv").write_text(f"id,at,age,city,pay,y\n{rows}30,2024-01-02T10:00:00Z,-1,{PEOPLE[0]},1.5,no\n")
    made: UseCase = make_use_case(tmp_path / "tiny.csv")
    columns = {name: column.model_dump(exclude_unset=True) for name, column in made.columns.items()}
    columns["id"].pop("unique")
    columns["city"]["role"] = "subject"
    return UseCase.model_validate(made.model_dump(exclude_unset=True) | {"columns": columns})


def a_crash_doubles_and_loses_nothing(settings: Settings, store: Store, use_case: UseCase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 8: the process dies right after its first transaction; the next one makes it good, every row once."""

    @contextmanager
    def dying(self: Store) -> Iterator[Session]:
        with writing(self) as session:
            yield session
        raise KeyboardInterrupt

    writing = Store.writing
    with monkeypatch.context() as crash:
        crash.setattr(Store, "writing", dying)
        with pytest.raises(KeyboardInterrupt):
            ingest(settings, store, use_case)
    result = ingest(settings, store, use_case)
    assert (result.rows_total, result.quarantined) == (30, 1)


def test_rows_and_position_are_one_transaction(settings: Settings, store: Store, use_case: UseCase,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    a_crash_doubles_and_loses_nothing(settings, store, use_case, monkeypatch)


@pytest.mark.parametrize("rows_first", [True, False])
def test_a_position_in_a_transaction_of_its_own_is_caught(settings: Settings, store: Store, use_case: UseCase, rows_first: bool,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(opened: Store, case: UseCase, contract: str, piece: Piece, written: ingestion.Written) -> bool:
        elsewhere = piece.entry(contract, written.last_number)
        taken = Batch(use_case=case.name, source_digest="sha256:rows", offset="rows", rows=written.rows,
                      quarantined=written.quarantined, files=[*written.files, elsewhere | {"name": "rows alone"}], reasons={},
                      created_at=ingestion.utc_now())
        position = Batch(use_case=case.name, source_digest=piece.source_digest, offset=piece.offset, rows=0, quarantined=0,
                         files=[elsewhere], reasons={}, created_at=ingestion.utc_now())
        for part in (taken, position) if rows_first else (position, taken):
            with opened.writing() as session:
                session.add(part)
        return True

    def check() -> None:
        try:
            a_crash_doubles_and_loses_nothing(settings, store, use_case, monkeypatch)
        except ingestion.DataError as error:  # every row was lost
            raise AssertionError from error

    once = iter([broken])
    sound = ingestion._commit
    monkeypatch.setattr(ingestion, "_commit", lambda *given: next(once, sound)(*given))
    with pytest.raises(AssertionError):
        check()


def nobody_is_named_in_the_lake(settings: Settings, store: Store, use_case: UseCase) -> None:
    """Law 11: no stored row, accepted or refused, holds the value of a subject column."""
    ingest(settings, store, use_case)
    lake = lake_from(settings)
    kept = [str(read_frames(lake, lake.keys("tiny", kind)).rows()) for kind in ("rows", "quarantine")]
    assert ["tok_" in text for text in kept] == [True, True]
    assert not any(person in text for person in PEOPLE for text in kept)


def test_identifiers_are_tokens_from_the_first_row(settings: Settings, store: Store, use_case: UseCase) -> None:
    nobody_is_named_in_the_lake(settings, store, use_case)


def test_a_token_that_is_the_value_itself_is_caught(settings: Settings, store: Store, use_case: UseCase,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "tokens", lambda values, key, column: values)
    with pytest.raises(AssertionError):
        nobody_is_named_in_the_lake(settings, store, use_case)
