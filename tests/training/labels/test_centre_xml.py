"""The centres' submissions, without hostile ones."""

from pathlib import Path

import pytest

from services.common.errors import Rejected
from tests.training.labels.making import curate
from training.labels.curation import Exclusion
from training.labels.sources import Item, ObservationRecord, Skipped, read

NAMESPACE = "http://www.mousephenotype.org/dcc/exportlibrary/datastructure/core/procedure"
SUBMISSION = f"""<?xml version="1.0" encoding="UTF-8"?>
<centreProcedureSet xmlns="{NAMESPACE}">
  <centre centreID="J" pipeline="JAX_001" project="JAX">
    <experiment experimentID="e1" dateOfExperiment="2024-05-02">
      <specimenID>A-17</specimenID>
      <procedure procedureID="IMPC_XRY_001">
        <simpleParameter parameterID="IMPC_XRY_056_001"><value>no</value></simpleParameter>
        <simpleParameter parameterID="IMPC_XRY_008_001">
          <value>13</value>
        </simpleParameter>
        <simpleParameter parameterID="IMPC_XRY_057_001">
          <parameterStatus>IMPC_PARAMSC_001</parameterStatus>
        </simpleParameter>
        <simpleParameter parameterID="IMPC_XRY_035_001"><value>yes</value></simpleParameter>
        <ontologyParameter parameterID="IMPC_XRY_054_001" sequenceID="1">
          <term>MP:0000161</term><term>MP:0000154</term>
        </ontologyParameter>
        <seriesParameter parameterID="IMPC_XRY_017_001">
          <value incrementValue="1">28</value>
          <value incrementValue="2" incrementStatus="IMPC_PARAMSC_004"></value>
        </seriesParameter>
        <seriesMediaParameter parameterID="IMPC_XRY_034_001">
          <value incrementValue="1" URI="images/A-17.dcm" fileType="application/dicom">
            <parameterAssociation parameterID="IMPC_XRY_058_001"><dim id="x" origin="top">1</dim></parameterAssociation>
          </value>
        </seriesMediaParameter>
        <procedureMetadata parameterID="IMPC_XRY_036_001"><value>unit 3</value></procedureMetadata>
      </procedure>
    </experiment>
    <experiment experimentID="e2" dateOfExperiment="2024-05-02">
      <specimenID>A-18</specimenID>
      <statusCode date="2024-05-02">IMPC_PSC_001</statusCode>
    </experiment>
    <experiment experimentID="e3" dateOfExperiment="2024-05-03">
      <specimenID>A-19</specimenID>
      <specimenID>A-20</specimenID>
      <procedure procedureID="IMPC_XRY_001">
        <simpleParameter parameterID="IMPC_XRY_056_001"><value>yes</value></simpleParameter>
      </procedure>
    </experiment>
  </centre>
</centreProcedureSet>
"""


def items_of(tmp_path: Path, text: str, encoding: str = "utf-8") -> list[Item]:
    path = tmp_path / "submission.xml"
    path.write_bytes(text.encode(encoding))
    return list(read(path))


def test_parameters_are_records(tmp_path: Path) -> None:
    records = [item for item in items_of(tmp_path, SUBMISSION) if isinstance(item, ObservationRecord)]
    first = [record for record in records if record.specimen_id == "2dcf2d450d220f0ec3f57fb34e439c17"]
    assert {record.centre for record in records} == {"JAX"}
    assert [(one.parameter_stable_id[9:12], one.value, one.missing_reason, one.location.number) for one in first] == [
        ("056", "no", None, 7),
        ("008", "13", None, 8),
        ("057", None, "IMPC_PARAMSC_001: equipment failed", 11),
        ("035", "yes", None, 14),
        ("054", "MP:0000161", None, 15),
        ("054", "MP:0000154", None, 15),
        ("017", "28", None, 18),
        ("017", None, "IMPC_PARAMSC_004: welfare issue", 18),
    ]


def test_an_association_on_an_image_is_no_finding(tmp_path: Path) -> None:
    records = [item for item in items_of(tmp_path, SUBMISSION) if isinstance(item, ObservationRecord)]
    assert "IMPC_XRY_058_001" not in {record.parameter_stable_id for record in records}


def test_a_procedure_that_was_not_done_is_skipped_with_its_status(tmp_path: Path) -> None:
    (skipped,) = [item for item in items_of(tmp_path, SUBMISSION) if isinstance(item, Skipped)]
    assert (skipped.reason, skipped.message, skipped.location.number) == ("procedure_not_done", "IMPC_PSC_001", 30)


def test_an_experiment_of_several_animals_applies_to_each(tmp_path: Path) -> None:
    found = curate(items_of(tmp_path, SUBMISSION))
    assert sorted(one.abnormal for one in found.specimens) == [
        ("IMPC_XRY_054_001",),
        ("IMPC_XRY_056_001",),
        ("IMPC_XRY_056_001",),
    ]


@pytest.mark.parametrize("namespace", ["", 'xmlns="urn:another"', f'xmlns:p="{NAMESPACE}"'])
def test_any_namespace_is_accepted(tmp_path: Path, namespace: str) -> None:
    text = SUBMISSION.replace(f'xmlns="{NAMESPACE}"', namespace)
    assert len(items_of(tmp_path, text)) == len(items_of(tmp_path, SUBMISSION))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_other_encodings(tmp_path: Path, encoding: str) -> None:
    text = SUBMISSION.replace('encoding="UTF-8"', f'encoding="{encoding.removesuffix("-sig")}"')
    assert len(items_of(tmp_path, text, encoding)) == len(items_of(tmp_path, SUBMISSION))


def test_an_unknown_laboratory_code_is_kept(tmp_path: Path) -> None:
    records = [
        item for item in items_of(tmp_path, SUBMISSION.replace('"J"', '"Xyz"')) if isinstance(item, ObservationRecord)
    ]
    assert {record.centre for record in records} == {"Xyz"}


def test_a_status_code_inside_a_parameter_is_a_status_too(tmp_path: Path) -> None:
    text = SUBMISSION.replace("parameterStatus", "statusCode")
    assert items_of(tmp_path, text)[2] == items_of(tmp_path, SUBMISSION)[2]


def test_a_status_next_to_a_value_means_missing(tmp_path: Path) -> None:
    text = SUBMISSION.replace(
        "<value>13</value>", "<value>13</value><parameterStatus>IMPC_PARAMSC_010</parameterStatus>"
    )
    (record,) = [one for one in items_of(tmp_path, text) if isinstance(one, ObservationRecord) and one.value == "13"]
    assert record.missing_reason == "IMPC_PARAMSC_010: quality control failed"


def test_the_status_of_an_increment_is_not_that_of_the_next_term(tmp_path: Path) -> None:
    again = '<ontologyParameter parameterID="IMPC_XRY_054_001"><term>MP:0000160</term></ontologyParameter>'
    text = SUBMISSION.replace("</seriesParameter>", "</seriesParameter>" + again)
    (record,) = [
        one for one in items_of(tmp_path, text) if isinstance(one, ObservationRecord) and one.value == "MP:0000160"
    ]
    assert record.missing_reason is None


def test_a_specimen_without_id_or_centre_is_skipped(tmp_path: Path) -> None:
    for text in (SUBMISSION.replace("A-17", " "), SUBMISSION.replace(' centreID="J"', "")):
        skipped = [item.reason for item in items_of(tmp_path, text) if isinstance(item, Skipped)]
        assert "no_specimen" in skipped


def test_a_term_that_is_no_option_is_not_guessed(tmp_path: Path) -> None:
    text = SUBMISSION.replace("IMPC_XRY_054_001", "IMPC_XRY_001_001").replace("MP:0000161", "PATO:0000646")
    found = curate(items_of(tmp_path, text))
    assert Exclusion.UNREADABLE in {one.exclusion for one in found.specimens}


@pytest.mark.parametrize(
    ("text", "reason", "message"),
    [
        (SUBMISSION.replace("centreProcedureSet", "centreSpecimenSet"), "not_a_submission", ":2: the root is"),
        (SUBMISSION[:700], "not_xml", "not well-formed"),
        (SUBMISSION.replace("</specimenID>", "</specimen>", 1), "not_xml", ":5: not well-formed"),
        ("<html><body>504 Gateway Time-out</body></html>", "not_a_submission", "the root is <html>"),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, text: str, reason: str, message: str) -> None:
    with pytest.raises(Rejected) as refusal:
        items_of(tmp_path, text)
    assert refusal.value.reason == reason
    assert message in refusal.value.message
    assert "submission.xml" in refusal.value.message


def test_the_dcc_s_own_example(real_pictures: Path) -> None:
    (labels,) = curate(read(real_pictures / "examples" / "dcc_submission_IMPC_XRY_001.xml")).specimens
    assert (labels.centre, labels.level1) == ("MRC Harwell", 1)
    assert labels.call == (1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0)
