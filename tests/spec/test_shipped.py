"""The shipped use-case files: they load without a problem, and the reference describes every key."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.errors import UseCaseError
from interlock.rules.catalogue import known_gates
from interlock.settings import Settings
from interlock.spec.load import all_use_cases, find_use_case, load_use_case, read_use_case, spec_digest
from interlock.spec.reference import reference_page, undescribed
from interlock.spec.usecase import UseCase

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ["adult_income", "bank_marketing", "bike_hours", "credit_default", "elec2", "flight_delays", "loan_approvals"]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_file_has_no_problem_and_describes_every_column(name: str) -> None:
    use_case, problems = read_use_case(ROOT / "usecases" / f"{name}.toml", known_gates=known_gates)
    assert problems == []
    assert use_case is not None
    assert use_case.name == name
    assert [column for column, described in use_case.columns.items() if not described.description] == []


def test_all_use_cases_are_found_in_the_order_of_their_files(settings: Settings) -> None:
    assert [use_case.name for _, use_case in all_use_cases(settings)] == SHIPPED


def test_an_unknown_name_is_told_with_the_names_that_exist(settings: Settings) -> None:
    with pytest.raises(UseCaseError, match=r"flight_delay'(.|\n)*adult_income(.|\n)*did you mean 'flight_delays'"):
        find_use_case(settings, "flight_delay")


def test_a_file_may_have_another_name_than_its_use_case(settings: Settings, tmp_path: Path) -> None:
    copy = tmp_path / "other.toml"
    copy.write_bytes((ROOT / "usecases" / "elec2.toml").read_bytes())
    moved = settings.model_copy(update={"usecases_dir": tmp_path})
    path, use_case = find_use_case(moved, "elec2")
    assert (path, use_case.name) == (copy, "elec2")


def test_two_files_with_one_name_are_refused(settings: Settings, tmp_path: Path) -> None:
    for name in ("one.toml", "two.toml"):
        (tmp_path / name).write_bytes((ROOT / "usecases" / "elec2.toml").read_bytes())
    with pytest.raises(UseCaseError, match="both name their use case 'elec2'"):
        all_use_cases(settings.model_copy(update={"usecases_dir": tmp_path}))


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_bytes(b"abc")
    assert spec_digest(file) == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1


def test_every_key_of_the_format_has_a_description() -> None:
    assert undescribed() == []


def test_the_reference_page_is_the_one_that_the_code_writes() -> None:
    assert (ROOT / "docs" / "use-cases.md").read_text() == reference_page(), "run: interlock reference"


def test_sensitive_attributes_stay_out_of_the_features(settings: Settings) -> None:
    for _, use_case in all_use_cases(settings):
        assert not set(use_case.sensitive_columns) & set(use_case.feature_columns)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_use_case_survives_being_stored_and_read(name: str) -> None:
    use_case = load_use_case(ROOT / "usecases" / f"{name}.toml")
    assert UseCase.model_validate_json(use_case.model_dump_json()) == use_case
