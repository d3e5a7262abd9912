"""How arguments are parsed, and usage errors."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.main import app
from services.common.labels import CALL_LABELS
from services.common.observations import table
from services.operations.export.impc import meanings


@pytest.mark.parametrize(
    ("arguments", "usage"),
    [
        (["--help"], "calls [OPTIONS] [SPECIMEN]"),
        (["list", "--help"], "calls [OPTIONS] [SPECIMEN]"),
        (["export", "--help"], "calls export [OPTIONS] {FILE}"),
    ],
)
def test_calls_lists_unless_another_command_is_named(arguments: list[str], usage: str) -> None:
    answer = CliRunner().invoke(app, ["calls", *arguments])
    assert answer.exit_code == 0
    assert f" {usage}\n" in answer.stdout


@pytest.mark.parametrize(
    ("file", "message"), [("calls.xlsx", "must end with .parquet or .csv"), ("no/such/calls.csv", "there is no folder")]
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_read(
    file: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(
        app, ["calls", "export", file], env={"XRAY_POSTGRES_DSN": "no database", "COLUMNS": "200"}
    )
    assert answer.exit_code == 2
    assert message in answer.stderr


def test_every_label_has_its_parameters_and_terms() -> None:
    assert list(meanings()) == list(CALL_LABELS)
    for label, meaning in meanings().items():
        assert meaning.parameter_stable_ids, label
        assert len(meaning.mp_term_ids) == len(set(meaning.mp_term_ids)) == len(meaning.mp_term_names)
        assert all(term.startswith("MP:") and len(term) == 10 for term in meaning.mp_term_ids)
    in_call = {row.parameter_stable_id for row in table() if row.in_call}
    level2 = [meanings()[label].parameter_stable_ids for label in CALL_LABELS[:3]]
    assert {one for ids in level2 for one in ids} == in_call


def test_limbs_and_skull_add_no_terms_to_other_labels() -> None:
    assert "MP:0005296" not in meanings()["Other"].mp_term_ids  # abnormal humerus morphology: Limbs
    assert "MP:0000149" in meanings()["Other"].mp_term_ids  # abnormal scapula morphology: Whole-body
