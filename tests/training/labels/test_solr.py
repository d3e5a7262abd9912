"""Documents of IMPC's Solr core `experiment`."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.common.errors import Rejected
from training.labels.sources import ObservationRecord, Skipped, SourceLocation, read

DOCUMENT = {
    "biological_sample_id": 183808,
    "specimen_id": "ef848cbdf31b6c602b282378ca4e7471",
    "phenotyping_center": "JAX",
    "strain_name": "C57BL/6NJ",
    "biological_sample_group": "experimental",
    "zygosity": "homozygote",
    "sex": "female",
    "procedure_stable_id": "IMPC_XRY_001",
    "parameter_stable_id": "IMPC_XRY_056_001",
    "observation_type": "categorical",
    "category": "no",
}


def changed(**fields: Any) -> dict[str, Any]:
    """The document with other fields; None takes a field away."""
    return {name: value for name, value in {**DOCUMENT, **fields}.items() if value is not None}


def read_one(tmp_path: Path, **fields: Any) -> ObservationRecord | Skipped:
    path = tmp_path / "docs.jsonl"
    path.write_text(json.dumps(changed(**fields)) + "\n", encoding="utf-8")
    (item,) = read(path)
    return item


def value_of(tmp_path: Path, **fields: Any) -> tuple[str | None, str | None]:
    item = read_one(tmp_path, **fields)
    assert isinstance(item, ObservationRecord)
    return item.value, item.missing_reason


def test_a_document_is_a_record(tmp_path: Path) -> None:
    assert read_one(tmp_path) == ObservationRecord(
        specimen_id="183808",
        centre="JAX",
        strain="C57BL/6NJ",
        group="experimental",
        parameter_stable_id="IMPC_XRY_056_001",
        value="no",
        missing_reason=None,
        location=SourceLocation("docs.jsonl", 1),
    )


@pytest.mark.parametrize("layout", ["response", "list", "lines", "lines with blanks", "pretty"])
def test_every_file_layout_gives_the_same_records(tmp_path: Path, layout: str) -> None:
    documents = [changed(biological_sample_id=number) for number in (1, 2, 3)]
    response = {"responseHeader": {"status": 0}, "response": {"numFound": 3, "start": 0, "docs": documents}}
    texts = {
        "response": json.dumps(response),
        "pretty": json.dumps(response, indent=2),
        "list": json.dumps(documents),
        "lines": "\n".join(json.dumps(document) for document in documents),
        "lines with blanks": "\n\n".join(json.dumps(document) for document in documents) + "\n",
    }
    path = tmp_path / "experiment.json"
    path.write_text(texts[layout], encoding="utf-8")
    assert [item.specimen_id for item in read(path) if isinstance(item, ObservationRecord)] == ["1", "2", "3"]


def test_values_of_every_observation_type(tmp_path: Path) -> None:
    number = {"observation_type": "unidimensional", "category": None, "data_point": 13.0}
    assert value_of(tmp_path, **number) == ("13.0", None)
    assert value_of(tmp_path, observation_type="text", category=None, text_value="MP:0000161") == ("MP:0000161", None)
    terms = {"observation_type": "ontological", "category": None, "sub_term_id": ["MP:0000161", "MP:0000154"]}
    assert value_of(tmp_path, **terms) == ("MP:0000161 MP:0000154", None)
    assert value_of(tmp_path, observation_type="image_record", category=None) == (None, "no value")


def test_absent_fields_are_accepted(tmp_path: Path) -> None:
    item = read_one(tmp_path, phenotyping_center=None, strain_name=None, biological_sample_group=None, category=None)
    assert isinstance(item, ObservationRecord)
    assert (item.centre, item.strain, item.group, item.value) == (None, None, None, None)


def test_a_zero_is_a_value(tmp_path: Path) -> None:
    assert value_of(tmp_path, category=None, data_point=0) == ("0", None)


def test_the_specimen_id_stands_in_for_the_sample_id(tmp_path: Path) -> None:
    item = read_one(tmp_path, biological_sample_id=None)
    assert isinstance(item, ObservationRecord)
    assert item.specimen_id == "ef848cbdf31b6c602b282378ca4e7471"


def test_centre_and_external_id_give_a_stable_id_and_an_external_id_alone_gives_none(tmp_path: Path) -> None:
    without = {"biological_sample_id": None, "specimen_id": None, "external_sample_id": "A-17"}
    item = read_one(tmp_path, **without)
    assert isinstance(item, ObservationRecord)
    assert item.specimen_id == "2dcf2d450d220f0ec3f57fb34e439c17"
    skipped = read_one(tmp_path, phenotyping_center=None, **without)
    assert isinstance(skipped, Skipped)
    assert skipped.reason == "no_specimen"


def test_a_document_without_parameter_is_skipped(tmp_path: Path) -> None:
    item = read_one(tmp_path, parameter_stable_id=None)
    assert isinstance(item, Skipped)
    assert (item.reason, str(item.location)) == ("no_parameter", "docs.jsonl:1")


@pytest.mark.parametrize(
    ("status", "value", "reason"),
    [
        ("IMPC_PARAMSC_001", None, "IMPC_PARAMSC_001: equipment failed"),
        ("IMPC_PARAMSC_010", "no", "IMPC_PARAMSC_010: quality control failed"),
        ("IMPC_PARAMSC_005: tail cut", "no", None),
        ("IMPC_PARAMSC_006", "no", None),
        ("IMPC_PARAMSC_005: no picture", None, "IMPC_PARAMSC_005: no picture"),
        ("mouse escaped", None, "mouse escaped"),
        (None, None, "no value"),
    ],
)
def test_status_codes(tmp_path: Path, status: str | None, value: str | None, reason: str | None) -> None:
    assert value_of(tmp_path, parameter_status=status, category=value)[1] == reason


@pytest.mark.parametrize(
    ("content", "reason", "message"),
    [
        (b'{"response": {"docs": [', "not_json", ":1: not JSON"),
        (b'{"parameter_stable_id": "a"}\n{"cut', "not_json", ":2: not JSON"),
        (b'{"error": {"msg": "undefined field"},\n "responseHeader": {}}', "not_solr", "core `experiment`"),
        (b'{"response": {"numFound": 3}}', "not_solr", "expected"),
        (b"[1, 2]", "not_solr", ":1: expected a document"),
        (b"[" * 100_000, "not_json", "nested too deeply"),
        (b'{"category": "\xff"}', "not_json", "not UTF-8 at byte"),
        (b"  \n ", "empty_source", "empty"),
        (b"", "empty_source", "empty"),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, content: bytes, reason: str, message: str) -> None:
    path = tmp_path / "experiment.json"
    path.write_bytes(content)
    with pytest.raises(Rejected) as refusal:
        list(read(path))
    assert refusal.value.reason == reason
    assert str(path) in refusal.value.message
    assert message in refusal.value.message


def test_an_endless_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "experiment.jsonl"
    path.write_text(json.dumps(DOCUMENT) + "\n" + json.dumps(changed(category="x" * 2_000_000)), encoding="utf-8")
    with pytest.raises(Rejected) as refusal:
        list(read(path))
    assert refusal.value.reason == "source_too_large"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Rejected) as refusal:
        list(read(tmp_path / "nowhere.json"))
    assert refusal.value.reason == "unreadable_source"
