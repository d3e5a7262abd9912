"""CSV with the columns of Solr, or made by hand."""

from pathlib import Path

import pytest

from services.common.errors import Rejected
from training.labels.sources import ObservationRecord, Skipped, read

HEADER = "biological_sample_id,phenotyping_center,strain_name,biological_sample_group,parameter_stable_id,value"


def written(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "observations.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_row_is_a_record(tmp_path: Path) -> None:
    (item,) = read(written(tmp_path, f"{HEADER}\n183808,UC Davis,C57BL/6NCrl,Control,IMPC_XRY_008_001,13\n"))
    assert isinstance(item, ObservationRecord)
    assert (item.specimen_id, item.centre, item.strain, item.group) == ("183808", "UC Davis", "C57BL/6NCrl", "control")
    assert (item.parameter_stable_id, item.value, str(item.location)) == (
        "IMPC_XRY_008_001",
        "13",
        "observations.csv:2",
    )


def test_a_spreadsheet_s_decimal_does_not_make_another_mouse(tmp_path: Path) -> None:
    text = f"{HEADER}\n183808.0,ICS,,,IMPC_XRY_056_001,no\n183808,ICS,,,IMPC_XRY_057_001,no\n"
    items = [item for item in read(written(tmp_path, text)) if isinstance(item, ObservationRecord)]
    assert {item.specimen_id for item in items} == {"183808"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_and_a_byte_order_mark(tmp_path: Path, delimiter: str) -> None:
    text = f"{HEADER}\r\n183808,ICS,,,IMPC_XRY_056_001,yes\r\n".replace(",", delimiter)
    (item,) = read(written(tmp_path, "\ufeff" + text))
    assert isinstance(item, ObservationRecord)
    assert (item.value, item.strain, item.missing_reason) == ("yes", None, None)


def test_the_columns_of_solr_are_understood(tmp_path: Path) -> None:
    text = (
        "category,data_point,text_value,parameter_stable_id,specimen_id\n"
        "no,,,IMPC_XRY_056_001,a\n,13.0,,IMPC_XRY_008_001,a\n,,MP:0000161,IMPC_XRY_054_001,a\n,,,IMPC_XRY_057_001,a\n"
    )
    items = [item for item in read(written(tmp_path, text)) if isinstance(item, ObservationRecord)]
    assert [item.value for item in items] == ["no", "13.0", "MP:0000161", None]
    assert items[3].missing_reason == "no value"


def test_a_quoted_cell_may_hold_a_line_break(tmp_path: Path) -> None:
    text = f'{HEADER}\n1,J,s,,IMPC_XRY_032_001,"two\nlines"\n1,J,s,,IMPC_XRY_056_001,no\n'
    assert [getattr(item, "value", None) for item in read(written(tmp_path, text))] == ["two\nlines", "no"]


def test_a_row_of_another_length_is_skipped_and_named(tmp_path: Path) -> None:
    items = list(read(written(tmp_path, f"{HEADER}\n1,JAX\n\n1,JAX,s,,IMPC_XRY_056_001,no\n")))
    assert isinstance(items[0], Skipped)
    assert (items[0].reason, str(items[0].location)) == ("wrong_number_of_cells", "observations.csv:2")
    assert isinstance(items[1], ObservationRecord)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"specimen_id,value\n1,no\n", ":1: no column parameter_stable_id; the header has specimen_id, value"),
        (b"parameter_stable_id,value\nIMPC_XRY_056_001,no\n", "no column one of biological_sample_id"),
        (b"parameter_stable_id,specimen_id\nIMPC_XRY_056_001,1\n", "no column one of category"),
        (b"parameter_stable_id,specimen_id,value\nIMPC_XRY_056_001,1,n\xff\n", "not UTF-8"),
        (b'parameter_stable_id,specimen_id,value\nIMPC_XRY_056_001,1,"no" x\n', "fix its quotes"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not UTF-8"),
    ],
)
def test_errors_explain_the_fault(tmp_path: Path, content: bytes, message: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(Rejected) as refusal:
        list(read(path))
    assert refusal.value.reason == "not_csv"
    assert str(path) in refusal.value.message
    assert message in refusal.value.message
