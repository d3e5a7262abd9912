"""A CSV export is safe to open in a spreadsheet, whatever centres call their specimens."""

import csv
from pathlib import Path

import pytest

from services.ledger.queries import StoredCall
from services.operations.export.impc import write_csv
from tests.ledger.examples import call

FORMULAS = ('=HYPERLINK("http://x","y")', "+1+1", "-2+3", "@SUM(A1)", "\t=x")


@pytest.mark.parametrize(("text", "cell"), [*((text, f"'{text}") for text in FORMULAS), ("a\r=x", r"a\r=x")])
def test_a_formula_in_a_field_is_text(tmp_path: Path, text: str, cell: str) -> None:
    one = call("m-1").model_copy(update={"biological_sample_id": text, "centre": text})
    write_csv(tmp_path / "calls.csv", [StoredCall(one, current=True, recorded_at=one.produced_at)])
    with (tmp_path / "calls.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 14
    assert {(row["biological_sample_id"], row["phenotyping_center"]) for row in rows} == {(cell, cell)}
    assert all(float(row["probability"]) >= 0 for row in rows)
